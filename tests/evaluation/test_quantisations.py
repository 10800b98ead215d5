"""The smallest file that provably keeps what F16 knows; equal accuracy does not hide changed answers."""

from tuneloop.evaluation.quantisations import FileAnswers, weigh_quantisations
from tuneloop.registry.contract import Quantisation
from tuneloop.registry.policy import Policy

N = 400


def answered(size: int, *, lost: int = 0, swapped: int = 0) -> FileAnswers:
    """F16 is right on all but 40 items; `lost` turn wrong, `swapped` pairs trade a right for a wrong one."""
    correct = [index >= 40 for index in range(N)]
    texts = ["right" if right else "wrong" for right in correct]
    for index in range(40, 40 + lost):
        correct[index], texts[index] = False, "lost"
    for index in range(swapped):
        correct[index], texts[index] = True, "now right"
        correct[N - 1 - index], texts[N - 1 - index] = False, "now wrong"
    return FileAnswers(size, texts, correct)


def test_the_smallest_within_the_margin_is_proposed() -> None:
    found = weigh_quantisations(
        {
            Quantisation.F16: answered(500),
            Quantisation.Q8_0: answered(300),
            Quantisation.Q5_K_M: answered(200, lost=1),
            Quantisation.Q4_K_M: answered(150, lost=20),
        },
        Policy(),
    )
    assert found["proposed"] is Quantisation.Q5_K_M
    rows = {row["quantisation"]: row for row in found["rows"]}
    assert [row["finding"] for row in found["rows"]] == ["proven", "proven", "proven", "harm"]
    assert rows[Quantisation.Q4_K_M]["flips"]["value"] == 20 / N
    assert rows[Quantisation.Q4_K_M]["difference"]["high"] < -0.02
    assert all(row["flips"]["n"] == row["accuracy"]["n"] == N for row in found["rows"])


def test_flips_are_counted_where_accuracy_stays() -> None:
    found = weigh_quantisations(
        {Quantisation.F16: answered(500), Quantisation.Q4_K_M: answered(150, swapped=30)}, Policy()
    )
    row = found["rows"][1]
    assert row["difference"]["value"] == 0
    assert row["flips"]["value"] == 60 / N
    assert (row["finding"], found["proposed"]) == ("open", Quantisation.F16)
    assert "would tell" in row["reason"]


def test_without_the_whole_file_nothing_is_proposed() -> None:
    assert weigh_quantisations({Quantisation.Q8_0: answered(300)}, Policy()) == {"proposed": None, "rows": []}

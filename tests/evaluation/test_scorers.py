import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.evaluation.scorers.item import EvalItem, Scorer
from tuneloop.evaluation.scorers.labels import allowed_label, label
from tuneloop.evaluation.scorers.overlap import ChrF, RougeL, chrf, rouge_l
from tuneloop.evaluation.scorers.registry import DEFAULT, SCORERS, ScorerName
from tuneloop.evaluation.scorers.structured import Numeric, json_fields
from tuneloop.evaluation.scorers.text import Pattern, contains, exact, normalised
from tuneloop.kit.errors import InvalidInput
from tuneloop.registry.contract import Task
from tuneloop.registry.templates import Message

texts = st.text(max_size=60)


def _item(expected: str, labels: tuple[str, ...] = ()) -> EvalItem:
    return EvalItem("1", (Message(role="user", content="?"),), expected, "any", labels=labels)


@pytest.mark.parametrize(
    ("scorer", "expected", "answer", "correct"),
    [
        (exact, "refund", " refund\n", True),
        (exact, "refund", "Refund", False),
        (normalised, "Café au lait!", "cafe\u0301  AU   lait", True),
        (normalised, "Straße", "STRASSE.", True),
        (normalised, "$4.95", "$495", False),
        (normalised, "10 %", "10 $", False),
        (contains, "5 days", "It takes 5 days.", True),
        (contains, "5 days", "It takes 15 days.", False),
        (Pattern(), r"\bAO-\d{4}\b", "Order AO-1234 is here", True),
        (Pattern(r"^yes"), "ignored", "no", False),
        (Numeric(), "1299", "That is 1,299.00 in all", True),
        (Numeric(absolute=0.5), "12", "between 3 and 12,4", True),
        (Numeric(relative=0.01), "100", "102", False),
        (Numeric(), "-3.5", "the difference is -3.50", True),
        (Numeric(), "3", "three", False),
    ],
)
def test_scorer_judges_an_answer(scorer: Scorer, expected: str, answer: str, correct: bool) -> None:
    score = scorer(_item(expected), answer)
    assert score.correct == correct
    assert score.value == float(correct)
    assert (score.detail == "") == correct


def test_a_catastrophic_pattern_is_stopped_and_named() -> None:
    score = Pattern(r"(?:a|a|aa)+$")(_item(""), "a" * 64 + "b")
    assert not score.correct
    assert "simplify" in score.detail


@pytest.mark.parametrize("pattern", ["(", "a" * 3000])
def test_an_unusable_pattern_is_the_operators_error(pattern: str) -> None:
    with pytest.raises(InvalidInput):
        Pattern(pattern)


def test_json_fields_counts_agreeing_leaves() -> None:
    item = _item('{"order": 12, "items": [{"sku": "a"}, {"sku": "b"}], "gift": false}')
    same = json_fields(item, '```json\n{"gift": false, "items": [{"sku": "a"}, {"sku": "b"}], "order": 12.0}\n```')
    assert (same.value, same.correct) == (1.0, True)
    partly = json_fields(item, '{"order": 12, "items": [{"sku": "a"}], "gift": 0}')
    assert partly.value == pytest.approx(2 * 2 / (4 + 3))
    assert partly.detail == "fields that differ: $.gift, $.items[1].sku"


@pytest.mark.parametrize("answer", ["order 12", '{"a": NaN}', "[" * 5000, ""])
def test_json_fields_takes_what_is_not_json_as_wrong(answer: str) -> None:
    assert json_fields(_item('{"a": 1}'), answer).detail.startswith("not JSON")


def test_an_expected_answer_that_does_not_fit_its_scorer_is_refused() -> None:
    with pytest.raises(InvalidInput, match="item 1"):
        json_fields(_item("{"), "{}")
    with pytest.raises(InvalidInput, match="item 1"):
        Numeric()(_item("twelve"), "12")


def test_empty_json_documents_agree() -> None:
    assert json_fields(_item("{}"), "{}").correct
    assert not json_fields(_item("{}"), "[]").correct


def test_overlap_gives_the_libraries_figures_and_their_threshold() -> None:
    assert rouge_l("police killed the gunman", "police kill the gunman") == pytest.approx(0.75)
    assert chrf("the cat is here", "the cat is here") == pytest.approx(1.0)
    assert RougeL(0.7)(_item("police killed the gunman"), "police kill the gunman").correct
    assert not ChrF(0.9)(_item("police killed the gunman"), "a dog barks").correct


def test_overlap_reads_every_alphabet() -> None:
    assert rouge_l("доставка бесплатная", "доставка бесплатная") == pytest.approx(1.0)


def test_a_label_outside_the_set_is_wrong_and_invented() -> None:
    item = _item("refund", labels=("refund", "order"))
    assert label(item, "refund").correct
    assert label(item, "order").detail == "expected 'refund'"
    assert allowed_label(item, "order").correct
    assert not allowed_label(item, "refunds").correct
    assert "not an allowed label" in label(item, "refunds").detail


def test_every_name_has_a_scorer_and_every_task_a_default() -> None:
    assert set(SCORERS) == set(ScorerName)
    assert set(DEFAULT) == set(Task)


@given(texts, texts)
def test_scores_stay_within_bounds_for_any_text(expected: str, answer: str) -> None:
    item = _item(expected, labels=("a",))
    for name in set(ScorerName) - {ScorerName.JSON, ScorerName.NUMERIC, ScorerName.REGEX}:
        score = SCORERS[name](item, answer)
        assert 0.0 <= score.value <= 1.0 + 1e-12
        assert score.correct == SCORERS[name](item, answer).correct


@given(texts.filter(str.strip))
def test_the_expected_text_is_its_own_right_answer(text: str) -> None:
    assert exact(_item(text), text).correct
    assert (
        normalised(_item(text), text.upper().lower()).correct == normalised(_item(text.upper().lower()), text).correct
    )
    assert contains(_item(text), f"so {text} it is").correct

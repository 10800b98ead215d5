import pytest

from tuneloop.stats.agreement import cohen_kappa


def test_kappa_of_the_textbook_table() -> None:
    """Fleiss, Levin, Paik 2003, table 18.1: 100 diagnoses in three categories, kappa 0.68."""
    table = {("p", "p"): 75, ("p", "n"): 1, ("p", "o"): 4, ("n", "p"): 5, ("n", "n"): 4, ("n", "o"): 1, ("o", "o"): 10}
    pairs = [pair for pair, times in table.items() for _ in range(times)]
    found = cohen_kappa([first for first, _ in pairs], [second for _, second in pairs])
    assert found.observed == pytest.approx(0.89)
    assert found.kappa == pytest.approx(0.68, abs=0.005)
    cohens_half_width = 1.96 * (0.89 * 0.11 / 100) ** 0.5 / (1 - 0.66)
    assert found.high - found.low == pytest.approx(2 * cohens_half_width, rel=0.05)


def test_agreement_by_chance_alone_is_zero() -> None:
    found = cohen_kappa(["a", "a", "b", "b"], ["a", "b", "a", "b"])
    assert found.kappa == 0
    assert found.low < 0 < found.high


def test_a_few_items_that_all_agree_are_not_certainty() -> None:
    found = cohen_kappa(["a", "b", "a"], ["a", "b", "a"])
    assert found.kappa == found.high == 1.0
    assert found.low < 0.2


def test_one_label_throughout_is_explained_by_chance() -> None:
    found = cohen_kappa(["a"] * 5, ["a"] * 5)
    assert (found.kappa, found.observed, found.low, found.high) == (1.0, 1.0, 0.0, 1.0)


def test_labellers_of_different_items_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="same items"):
        cohen_kappa(["a"], [])

import itertools

import numpy as np
import pytest
from scipy import stats

from tuneloop.stats.drift import (
    Traffic,
    _chi_square,
    _permutation_test,
    confidence_shift,
    either,
    label_shift,
    traffic_shift,
)


def test_statistic_is_pearsons_chi_square() -> None:
    old, new = np.array([30, 12, 0, 9]), np.array([11, 15, 0, 4])
    expected = stats.chi2_contingency([old[[0, 1, 3]], new[[0, 1, 3]]], correction=False).statistic
    assert _chi_square(new[None, :], old + new)[0] == pytest.approx(expected)


def test_p_value_agrees_with_enumerating_every_relabelling() -> None:
    old, new = np.array([5, 1, 1]), np.array([1, 2, 2])
    pooled = np.repeat(np.arange(3), old + new)
    observed = _chi_square(new[None, :], old + new)[0]
    draws = [
        _chi_square(np.bincount(pooled[list(chosen)], minlength=3)[None, :], old + new)[0]
        for chosen in itertools.combinations(range(12), 5)
    ]
    exact = np.mean(np.array(draws) >= observed - 1e-9)
    assert _permutation_test(old, new)[1] == pytest.approx(exact, abs=0.03)


@pytest.mark.parametrize("digits", [6, 1], ids=["continuous", "heavily tied"])
def test_unchanged_traffic_trips_at_the_stated_level(digits: int) -> None:
    generator = np.random.default_rng(2)
    p_values = [
        confidence_shift(generator.beta(8, 1, 400).round(digits), generator.beta(8, 1, 150).round(digits)).p_value
        for _ in range(250)
    ]
    assert np.mean(np.array(p_values) <= 0.1) <= 0.15


def test_a_new_low_confidence_category_is_seen() -> None:
    generator = np.random.default_rng(3)
    baseline = generator.beta(12, 1, 1000)
    current = np.concatenate([generator.beta(12, 1, 850), generator.beta(5, 4, 150)])
    shift = confidence_shift(baseline, current)
    assert shift.p_value < 0.001


def test_the_region_holds_most_of_what_is_new_and_little_of_the_rest() -> None:
    generator = np.random.default_rng(6)
    baseline, known, new = generator.beta(12, 1, 1000), generator.beta(12, 1, 850), generator.beta(5, 4, 150)
    current = Traffic(np.concatenate([known, new]), ["a"] * 1000)
    region = traffic_shift(Traffic(baseline, ["a"] * 1000), current, labelled=True).region
    assert region is not None
    assert region.labels == []
    inside = region.holds(current)
    assert inside[850:].mean() > 0.85
    assert inside[:850].mean() < 0.35


def test_the_region_is_the_labels_that_grew_where_these_tell_more_than_confidence() -> None:
    generator = np.random.default_rng(6)
    before = Traffic(generator.beta(12, 1, 400), ["refund", "order"] * 200)
    now = Traffic(generator.beta(12, 1, 400), ["refund"] * 280 + ["order"] * 120)
    shift = traffic_shift(before, now, labelled=True)
    assert shift.region is not None
    assert (shift.region.labels, shift.region.ranges) == (["refund"], [])
    assert shift.region.holds(now).sum() == 280
    assert shift.p_value == either(*shift.p_values.values())
    assert traffic_shift(before, now, labelled=False).region is None


def test_traffic_like_the_reference_has_no_region() -> None:
    generator = np.random.default_rng(7)
    before, now = (Traffic(generator.beta(12, 1, 400), ["refund", "order"] * 200) for _ in range(2))
    assert traffic_shift(before, now, labelled=True).region is None


def test_confidence_that_never_varies_is_no_shift() -> None:
    shift = confidence_shift(np.ones(50), np.ones(20))
    assert (shift.statistic, shift.p_value) == (0.0, 1.0)


def test_label_shift_names_what_moved_most() -> None:
    shift = label_shift(["refund"] * 50 + ["order"] * 50, ["refund"] * 20 + ["order"] * 60 + ["rental"] * 20)
    assert shift.p_value < 0.001
    assert (shift.moves[0].label, shift.moves[0].baseline_share, shift.moves[0].current_share) == ("refund", 0.5, 0.2)
    assert {move.label for move in shift.moves} == {"refund", "order", "rental"}


def test_several_tests_share_one_level() -> None:
    assert either(0.02, 0.4) == pytest.approx(0.04)
    assert either(0.9, 0.8) == 1.0


def test_an_empty_or_broken_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        confidence_shift(np.array([]), np.array([0.5]))
    with pytest.raises(ValueError, match="finite"):
        confidence_shift(np.array([0.5]), np.array([np.nan]))
    with pytest.raises(ValueError, match="at least one"):
        label_shift(["a"], [])

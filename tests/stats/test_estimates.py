import numpy as np
import pytest
from numpy.typing import NDArray

from tuneloop.stats.estimates import best, hajek, plain, prediction_powered
from tuneloop.stats.impact import Answers, estimate
from tuneloop.stats.intervals import Rate, wilson


def test_equal_inclusion_probabilities_give_the_plain_share() -> None:
    correct = np.array([True] * 42 + [False] * 8)
    weighted = hajek(correct, np.full(50, 0.05))
    assert (weighted.value, weighted.n, weighted.effective_n) == pytest.approx((0.84, 50, 50))
    assert (weighted.low, weighted.high) == pytest.approx(wilson(Rate(42, 50)))
    assert weighted == plain(correct)


def test_hajek_weights_by_hand() -> None:
    found = hajek(np.array([True, False, False]), np.array([0.1, 0.5, 0.5]))
    assert found.value == pytest.approx(10 / 14)
    assert found.effective_n == pytest.approx(14**2 / (100 + 4 + 4))


def test_a_sample_that_prefers_unsure_answers_is_corrected_and_its_interval_covers() -> None:
    generator = np.random.default_rng(3)
    values, covered = [], []
    for _ in range(600):
        unsure = generator.random(1000) < 0.3
        right = generator.random(1000) < np.where(unsure, 0.6, 0.95)
        drawn = np.where(unsure, 0.2, 0.04)
        chosen = generator.random(1000) < drawn
        found = hajek(right[chosen], drawn[chosen])
        values.append(found.value)
        covered.append(found.low <= 0.845 <= found.high)
    assert np.mean(values) == pytest.approx(0.845, abs=0.005)
    assert np.mean(covered) >= 0.93


@pytest.mark.parametrize("informative", [True, False])
def test_prediction_powered_is_unbiased_and_covers_even_with_useless_or_inflated_confidence(informative: bool) -> None:
    generator = np.random.default_rng(5)
    values, covered, worth = [], [], []
    for _ in range(600):
        right = generator.random(2000) < 0.85
        confidence = np.clip(0.75 + informative * 0.2 * right + generator.normal(0, 0.08, 2000), 0, 1)
        found = prediction_powered(right[:80], confidence[:80], confidence)
        values.append(found.value)
        worth.append(found.effective_n / found.n)
        covered.append(found.low <= 0.85 <= found.high)
    assert np.mean(values) == pytest.approx(0.85, abs=0.006)
    assert np.mean(covered) >= 0.92
    assert np.median(worth) == pytest.approx(2.2 if informative else 1.0, rel=0.3)


def test_best_is_plain_where_confidence_says_nothing() -> None:
    generator = np.random.default_rng(7)
    right, noise = generator.random(100) < 0.8, generator.random(1000)
    told = np.where(right, 0.9, 0.3) + generator.normal(0, 0.05, 100)
    everything = np.concatenate([told, np.where(generator.random(900) < 0.8, 0.9, 0.3)])
    assert best(right, noise[:100], noise) == plain(right)
    assert best(right, told, everything).effective_n > 150
    assert best(right[:10], told[:10], everything) == plain(right[:10])
    assert best(np.ones(50, dtype=bool), told[:50], everything).value == 1.0


def test_estimates_without_usable_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one label"):
        plain(np.array([], dtype=bool))
    with pytest.raises(ValueError, match="inclusion probability"):
        hajek(np.array([True]), np.array([0.0]))
    with pytest.raises(ValueError, match="one confidence per label"):
        prediction_powered(np.array([True]), np.array([0.5, 0.5]), np.array([0.5]))


BEFORE = Answers(np.full(1000, 0.9), np.arange(1000) < 20)


def grown(confidence: float, share: float = 0.15) -> Answers:
    """Of a thousand answers `share` lie in the region, with that confidence; the others are as before."""
    inside = np.arange(1000) < 1000 * share
    return Answers(np.where(inside, confidence, 0.9), inside)


def labels(right: int, n: int) -> NDArray[np.bool_]:
    return np.arange(n) < right


def test_impact_is_the_share_times_what_labels_say_beyond_confidence() -> None:
    found = estimate(BEFORE, grown(0.8), labels(10, 40), np.full(40, 0.8), Rate(352, 400))
    assert found.share == pytest.approx(0.15)
    assert (found.accuracy_in_region.value, found.accuracy_in_region.n) == (0.25, 40)
    assert found.overall_change.value == pytest.approx(0.885 + 0.15 * (0.25 - 0.8) - 0.9)
    assert found.overall_change.low < found.overall_change.value < found.overall_change.high
    assert (found.alarm, found.harmless, found.labels_needed) == (True, False, 0)


def test_a_region_in_which_answers_are_right_does_no_harm() -> None:
    found = estimate(BEFORE, grown(0.5), labels(38, 40), np.full(40, 0.5), Rate(352, 400))
    assert (found.alarm, found.harmless, found.labels_needed) == (False, True, 0)
    assert found.overall_change.value > 0


def test_a_region_of_which_labels_leave_both_open_says_how_many_more_would_settle_it() -> None:
    found = estimate(BEFORE, grown(0.5, 0.25), labels(33, 40), np.full(40, 0.5), Rate(352, 400))
    assert (found.alarm, found.harmless) == (False, False)
    assert found.labels_needed is not None
    assert found.labels_needed > 0
    more = 40 + 2 * found.labels_needed
    right = round(more * 33 / 40)
    settled = estimate(BEFORE, grown(0.5, 0.25), labels(right, more), np.full(more, 0.5), Rate(352, 400))
    assert settled.harmless
    few = Answers(np.array([0.8, 1.0] * 5), np.zeros(10, dtype=bool))
    assert estimate(few, grown(0.5, 0.25), labels(33, 40), np.full(40, 0.5), Rate(9, 10)).labels_needed is None


def test_errors_of_calibration_outside_of_the_region_cancel() -> None:
    """What was once found harmless keeps its low confidence, which is no loss against traffic that has it too."""
    usual = Answers(np.concatenate([np.full(150, 0.6), np.full(850, 0.9)]), np.arange(1000) > 990)
    found = estimate(usual, usual, labels(36, 40), np.full(40, 0.9), Rate(352, 400))
    assert found.overall_change.value == pytest.approx(0.0, abs=1e-9)
    assert found.harmless


def test_an_impact_without_labels_or_baseline_is_refused() -> None:
    one = Answers(np.ones(3), np.ones(3, dtype=bool))
    with pytest.raises(ValueError, match="at least one label"):
        estimate(one, one, np.array([], dtype=bool), np.array([]), Rate(1, 2))
    with pytest.raises(ValueError, match="baseline"):
        estimate(one, one, np.array([True]), np.array([0.5]), Rate(0, 0))

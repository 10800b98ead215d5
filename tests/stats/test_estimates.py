import numpy as np
import pytest

from tuneloop.stats.estimates import best, hajek, plain, prediction_powered
from tuneloop.stats.impact import estimate
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


def test_impact_is_the_share_times_what_labels_say_beyond_confidence() -> None:
    calibrated = np.array([0.9] * 850 + [0.8] * 150)
    region = np.array([False] * 850 + [True] * 150)
    correct = np.array([True] * 10 + [False] * 30)
    found = estimate(calibrated, region, correct, np.full(40, 0.8), Rate(352, 400))
    assert found.share == pytest.approx(0.15)
    assert (found.accuracy_in_region.value, found.accuracy_in_region.n) == (0.25, 40)
    assert found.overall_change.value == pytest.approx(0.885 + 0.15 * (0.25 - 0.8) - 0.88)
    assert found.overall_change.low < found.overall_change.value < found.overall_change.high
    assert found.alarm


def test_a_region_in_which_answers_are_right_raises_no_alarm() -> None:
    calibrated = np.array([0.9] * 850 + [0.5] * 150)
    region = np.array([False] * 850 + [True] * 150)
    found = estimate(calibrated, region, np.ones(40, dtype=bool), np.full(40, 0.5), Rate(352, 400))
    assert found.harmless
    assert not found.alarm
    assert found.overall_change.value > 0


def test_an_impact_without_labels_or_baseline_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one label"):
        estimate(np.ones(3), np.ones(3, dtype=bool), np.array([], dtype=bool), np.array([]), Rate(1, 2))
    with pytest.raises(ValueError, match="baseline"):
        estimate(np.ones(3), np.ones(3, dtype=bool), np.array([True]), np.array([0.5]), Rate(0, 0))

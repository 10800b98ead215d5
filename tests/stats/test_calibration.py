import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from tuneloop.stats.calibration import Array, fit_platt


def test_platt_recovers_slope_and_intercept() -> None:
    calibrator = fit_platt(*_answers(slope=0.6, intercept=-0.5))
    assert (calibrator.slope, calibrator.intercept) == pytest.approx((0.6, -0.5), abs=0.08)


def test_platt_makes_the_mean_loss_against_its_smoothed_targets_stationary() -> None:
    confidence, correct = _answers(slope=0.6, intercept=0.0, n=500)
    right = correct.sum()
    target = np.where(correct, (right + 1) / (right + 2), 1 / (len(correct) - right + 2))
    residual = fit_platt(confidence, correct).apply(confidence) - target
    assert residual.mean() == pytest.approx(0.0, abs=1e-4)
    assert (residual * special.logit(confidence)).mean() == pytest.approx(0.0, abs=1e-3)


def test_two_hundred_labels_calibrate_an_overconfident_model() -> None:
    confidence, correct = _answers(slope=0.55, intercept=0.0)
    calibrator = fit_platt(confidence[:200], correct[:200])
    sure = confidence[200:] > 0.9
    gap = abs(confidence[200:][sure].mean() - correct[200:][sure].mean())
    assert abs(calibrator.apply(confidence[200:])[sure].mean() - correct[200:][sure].mean()) < gap / 2


@pytest.mark.parametrize("right", [True, False])
def test_answers_all_right_or_all_wrong_still_fit(right: bool) -> None:
    calibrator = fit_platt(np.full(30, 0.9), np.full(30, right))
    assert np.isfinite(calibrator.apply(np.array([0.0, 0.5, 1.0]))).all()
    assert (calibrator.apply(np.array([0.9]))[0] > 0.9) == right


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_calibration_keeps_the_ranking(confidence: list[float]) -> None:
    calibrator = fit_platt(*_answers(slope=0.6, intercept=0.0, n=200))
    calibrated = calibrator.apply(np.sort(np.array(confidence)))
    assert (np.diff(calibrated) >= 0).all()


def test_unusable_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="per answer"):
        fit_platt(np.array([0.5]), np.array([True, False]))
    with pytest.raises(ValueError, match="between 0 and 1"):
        fit_platt(np.array([1.5]), np.array([True]))


def _answers(*, slope: float, intercept: float, n: int = 6000) -> tuple[Array, np.ndarray]:
    generator = np.random.default_rng(4)
    confidence = generator.beta(5, 1, n).clip(0.001, 0.999)
    chance = special.expit(slope * special.logit(confidence) + intercept)
    return confidence, generator.random(n) < chance

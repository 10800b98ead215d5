import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from tuneloop.stats.calibration import Array, expected_calibration_error, fit_platt, fit_temperature


def test_temperature_is_recovered() -> None:
    confidence, correct = _answers(slope=1 / 1.7, intercept=0.0)
    assert fit_temperature(confidence, correct).temperature == pytest.approx(1.7, abs=0.1)


def test_platt_recovers_slope_and_intercept() -> None:
    calibrator = fit_platt(*_answers(slope=0.6, intercept=-0.5))
    assert (calibrator.slope, calibrator.intercept) == pytest.approx((0.6, -0.5), abs=0.08)


def test_temperature_makes_the_mean_loss_stationary() -> None:
    confidence, correct = _answers(slope=0.6, intercept=0.0, n=500)
    calibrator = fit_temperature(confidence, correct)
    logits = special.logit(confidence)
    gradient = np.mean((calibrator.apply(confidence) - correct) * logits)
    assert gradient == pytest.approx(0.0, abs=1e-4)


def test_two_hundred_labels_calibrate_an_overconfident_model() -> None:
    confidence, correct = _answers(slope=0.55, intercept=0.0)
    calibrator = fit_temperature(confidence[:200], correct[:200])
    before = expected_calibration_error(confidence[200:], correct[200:])
    after = expected_calibration_error(calibrator.apply(confidence[200:]), correct[200:])
    assert after.value < before.value / 2
    assert after.n == len(confidence) - 200


@pytest.mark.parametrize("right", [True, False])
def test_answers_all_right_or_all_wrong_still_fit(right: bool) -> None:
    calibrator = fit_platt(np.full(30, 0.9), np.full(30, right))
    assert np.isfinite(calibrator.apply(np.array([0.0, 0.5, 1.0]))).all()
    assert (calibrator.apply(np.array([0.9]))[0] > 0.9) == right


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_calibration_keeps_the_ranking(confidence: list[float]) -> None:
    calibrator = fit_temperature(*_answers(slope=0.6, intercept=0.0, n=200))
    calibrated = calibrator.apply(np.sort(np.array(confidence)))
    assert (np.diff(calibrated) >= 0).all()


def test_calibration_error_of_hand_counted_answers() -> None:
    confidence = np.array([0.6, 0.6, 0.9, 0.9])
    correct = np.array([True, False, True, True])
    error = expected_calibration_error(confidence, correct, bins=2)
    assert error.value == pytest.approx((0.1 + 0.1) / 2)
    assert error.n == 4


def test_unusable_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="per answer"):
        fit_platt(np.array([0.5]), np.array([True, False]))
    with pytest.raises(ValueError, match="between 0 and 1"):
        fit_temperature(np.array([1.5]), np.array([True]))


def _answers(*, slope: float, intercept: float, n: int = 6000) -> tuple[Array, np.ndarray]:
    generator = np.random.default_rng(4)
    confidence = generator.beta(5, 1, n).clip(0.001, 0.999)
    chance = special.expit(slope * special.logit(confidence) + intercept)
    return confidence, generator.random(n) < chance

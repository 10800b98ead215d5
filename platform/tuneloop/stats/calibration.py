"""From a model's confidence to the probability that its answer is right, fitted on labelled answers.

Refit for every artifact: quantisation and fine-tuning change confidences. 100 to 500 labels are enough for these two
parametric maps.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

Array = NDArray[np.float64]

_CLIP = 1e-6
_SLOPES = (0.02, 20.0)


@dataclass(frozen=True)
class Calibrator:
    """p(right) = sigmoid(slope * logit(confidence) + intercept); `n` labels made it."""

    slope: float
    intercept: float
    n: int

    @property
    def temperature(self) -> float:
        return 1.0 / self.slope

    def apply(self, confidence: Array) -> Array:
        """Calibrated probabilities of the shape of `confidence`."""
        return np.asarray(special.expit(self.slope * _logit(confidence) + self.intercept), dtype=float)


@dataclass(frozen=True)
class CalibrationError:
    """Expected calibration error as a share; it is biased upwards at small `n`, so compare only equal `n`."""

    value: float
    n: int


def fit_temperature(confidence: Array, correct: NDArray[np.bool_]) -> Calibrator:
    """One parameter, keeps the ranking and 0.5 (Guo et al. 2017, on the top answer's log-odds)."""
    x, y = _checked(confidence, correct)
    logits = _logit(x)
    fit = optimize.minimize_scalar(lambda slope: _log_loss(slope * logits, y), bounds=_SLOPES, method="bounded")
    return Calibrator(float(fit.x), 0.0, len(x))


def fit_platt(confidence: Array, correct: NDArray[np.bool_]) -> Calibrator:
    """Two parameters (Platt 1999), with his smoothed targets, so that all-right and all-wrong samples stay finite."""
    x, y = _checked(confidence, correct)
    logits = _logit(x)
    right = y.sum()
    target = np.where(y, (right + 1) / (right + 2), 1 / (len(y) - right + 2))
    fit = optimize.minimize(
        lambda parameters: _log_loss(parameters[0] * logits + parameters[1], target),
        x0=np.array([1.0, 0.0]),
        method="L-BFGS-B",
        bounds=[_SLOPES, (-20.0, 20.0)],
    )
    return Calibrator(float(fit.x[0]), float(fit.x[1]), len(x))


def expected_calibration_error(confidence: Array, correct: NDArray[np.bool_], bins: int = 10) -> CalibrationError:
    """Mean distance of confidence and accuracy over `bins` groups of equally many answers."""
    x, y = _checked(confidence, correct)
    order = np.argsort(x, kind="stable")
    groups = [group for group in np.array_split(order, bins) if group.size]
    error = sum(group.size * abs(float(x[group].mean() - y[group].mean())) for group in groups)
    return CalibrationError(error / len(x), len(x))


def _log_loss(logits: Array, target: Array) -> float:
    return float(np.mean(np.logaddexp(0.0, logits) - target * logits))


def _logit(confidence: Array) -> Array:
    return np.asarray(special.logit(np.clip(confidence, _CLIP, 1 - _CLIP)), dtype=float)


def _checked(confidence: Array, correct: NDArray[np.bool_]) -> tuple[Array, Array]:
    x, y = np.asarray(confidence, dtype=float), np.asarray(correct, dtype=float)
    if x.ndim != 1 or x.shape != y.shape or not x.size:
        raise ValueError(f"needs one confidence and one judgement per answer, got shapes {x.shape} and {y.shape}")
    if not ((x >= 0) & (x <= 1)).all():
        raise ValueError("confidences lie between 0 and 1")
    return x, y

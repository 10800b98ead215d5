"""From a model's confidence to the probability that its answer is right, fitted on labelled answers.

Refit for every artifact: quantisation and fine-tuning change confidences. 100 to 500 labels are enough for a
parametric map.
"""

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

Array = NDArray[np.float64]

_CLIP = 1e-6
_SLOPES = (0.02, 20.0)


@dataclass(frozen=True)
class Calibrator:
    """p(right) = sigmoid(slope * logit(confidence) + intercept); `n` labels made it."""

    slope: float
    intercept: float
    n: int

    def apply(self, confidence: Array) -> Array:
        """Calibrated probabilities of the shape of `confidence`."""
        return np.asarray(scipy.special.expit(self.slope * _logit(confidence) + self.intercept), dtype=float)


def fit_platt(confidence: Array, correct: NDArray[np.bool_]) -> Calibrator:
    """Two parameters (Platt 1999), with his smoothed targets, so that all-right and all-wrong samples stay finite."""
    x, y = _checked(confidence, correct)
    logits = _logit(x)
    right = y.sum()
    target = np.where(y, (right + 1) / (right + 2), 1 / (len(y) - right + 2))
    fit = scipy.optimize.minimize(
        lambda parameters: _log_loss(parameters[0] * logits + parameters[1], target),
        x0=np.array([1.0, 0.0]),
        method="L-BFGS-B",
        bounds=[_SLOPES, (-20.0, 20.0)],
    )
    return Calibrator(float(fit.x[0]), float(fit.x[1]), len(x))


def _log_loss(logits: Array, target: Array) -> float:
    return float(np.mean(np.logaddexp(0.0, logits) - target * logits))


def _logit(confidence: Array) -> Array:
    return np.asarray(scipy.special.logit(np.clip(confidence, _CLIP, 1 - _CLIP)), dtype=float)


def _checked(confidence: Array, correct: NDArray[np.bool_]) -> tuple[Array, Array]:
    x, y = np.asarray(confidence, dtype=float), np.asarray(correct, dtype=float)
    if x.ndim != 1 or x.shape != y.shape or not x.size:
        raise ValueError(f"needs one confidence and one judgement per answer, got shapes {x.shape} and {y.shape}")
    if not ((x >= 0) & (x <= 1)).all():
        raise ValueError("confidences lie between 0 and 1")
    return x, y

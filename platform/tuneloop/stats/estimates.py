"""Accuracy on all traffic from a few labels: weighted by how they were drawn, sharpened by confidence where it helps.

Confidence never replaces a label: each estimate is unbiased however wrong the confidence is.
"""

import math
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from tuneloop.stats.intervals import Interval, wilson_of

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

_INFORMATIVE = 0.05
_FEWEST_LABELS = 20


@dataclass(frozen=True)
class Estimate:
    """A share with its 95 % interval; `n` labels are worth `effective_n` labels of a plain random sample."""

    value: float
    low: float
    high: float
    n: int
    effective_n: float


def plain(correct: Flags) -> Estimate:
    """Share of a uniform random sample (n,), Wilson's interval."""
    right = _flags(correct)
    return _worth(float(right.mean()), len(right), float(len(right)))


def hajek(correct: Flags, inclusion_probability: Array) -> Estimate:
    """Share on all traffic from answers drawn with known, unequal probabilities (n,): the Hájek estimator.

    The effective number of labels is Kish's, (sum of weights)^2 / sum of squared weights.
    """
    right, drawn = _flags(correct), np.asarray(inclusion_probability, dtype=float)
    if drawn.shape != right.shape or not ((drawn > 0) & (drawn <= 1)).all():
        raise ValueError("needs one inclusion probability in (0, 1] per label")
    weight = 1 / drawn
    effective = float(weight.sum() ** 2 / (weight**2).sum())
    return _worth(float(weight @ right / weight.sum()), len(right), effective)


def prediction_powered(correct: Flags, confidence_of_labelled: Array, confidence_of_all: Array) -> Estimate:
    """Share on all traffic from a uniform sample (n,) of it and the confidence of all answers (N,).

    mean(correct) - w (mean confidence of the labelled - mean confidence of all), with the w that makes the variance
    smallest (PPI++: Angelopoulos, Duchi, Zrnic 2023). The interval is Wilson's at the sample size that a plain sample
    of this variance would have.
    """
    right, labelled, everything = _with_confidence(correct, confidence_of_labelled, confidence_of_all)
    n, size = len(right), len(everything)
    weight = _tuned_weight(right, labelled, everything)
    value = float(right.mean() - weight * (labelled.mean() - everything.mean()))
    if weight == 0 or not 0 < value < 1:
        return _worth(min(max(value, 0.0), 1.0), n, float(n))
    residual = float(np.var(right - weight * labelled, ddof=2))
    variance = residual / n + weight**2 * float(np.var(everything)) / size
    effective = value * (1 - value) / variance if variance > 0 else float(n)
    return _worth(value, n, min(effective, 4.0 * n))


def best(correct: Flags, confidence_of_labelled: Array, confidence_of_all: Array) -> Estimate:
    """Prediction-powered where confidence tells right from wrong on these labels, plain where it does not.

    Confidence counts as informative from 20 labels on, if a one-sided rank test at 5 % says so.
    """
    right, labelled, _ = _with_confidence(correct, confidence_of_labelled, confidence_of_all)
    if len(right) < _FEWEST_LABELS or right.all() or not right.any():
        return plain(correct)
    sure, unsure = labelled[right == 1], labelled[right == 0]
    if scipy.stats.mannwhitneyu(sure, unsure, alternative="greater").pvalue > _INFORMATIVE:
        return plain(correct)
    return prediction_powered(correct, confidence_of_labelled, confidence_of_all)


def _tuned_weight(right: Array, labelled: Array, everything: Array) -> float:
    if len(right) < 3:
        return 0.0
    spread = float(np.var(np.concatenate([labelled, everything])))
    together = float(np.cov(right, labelled)[0, 1])
    return max(together / (spread * (1 + len(right) / len(everything))), 0.0) if spread > 0 else 0.0


def _worth(value: float, n: int, effective: float) -> Estimate:
    interval = wilson_of(value, effective) if math.isfinite(value) else Interval(0.0, 1.0)
    return Estimate(value, interval.low, interval.high, n, effective)


def _flags(correct: Flags) -> Array:
    right = np.asarray(correct, dtype=float)
    if right.ndim != 1 or not right.size:
        raise ValueError("an estimate needs at least one label")
    return right


def _with_confidence(correct: Flags, of_labelled: Array, of_all: Array) -> tuple[Array, Array, Array]:
    right = _flags(correct)
    labelled, everything = np.asarray(of_labelled, dtype=float), np.asarray(of_all, dtype=float)
    if labelled.shape != right.shape or everything.ndim != 1 or not everything.size:
        raise ValueError("needs one confidence per label, and the confidence of all answers")
    return right, labelled, everything

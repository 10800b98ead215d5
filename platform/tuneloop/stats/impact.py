"""How much a changed part of the traffic costs: labels from that part alone, confidence for the rest.

The second stage after the tripwire. About 40 labels from the flagged region correct the calibrated confidence there;
outside the region calibration is assumed to hold, which is why the region is what the tripwire flagged.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuneloop.stats.estimates import Estimate, Flags, plain
from tuneloop.stats.intervals import Rate, normal_quantile

Array = NDArray[np.float64]

WORTH_AN_ALARM = 0.02
"""Smallest estimated overall drop that alarms, as a share."""

_SURE = 2.1  # standard errors; with about two trips a year, 3 % of unchanged years alarm


@dataclass(frozen=True)
class Impact:
    """`share` of the traffic in the region; `overall_change` is now minus baseline, as a share, negative for a loss."""

    share: float
    accuracy_in_region: Estimate
    overall_change: Estimate
    alarm: bool

    @property
    def harmless(self) -> bool:
        """The estimated loss is too small to matter: what was flagged may become the new normal of the tripwire."""
        return self.overall_change.value > -WORTH_AN_ALARM


def estimate(
    calibrated_all: Array,
    in_region_all: Flags,
    labelled_region_correct: Flags,
    labelled_region_confidence: Array,
    baseline: Rate,
) -> Impact:
    """Impact from calibrated confidences (N,) of all answers, which of them lie in the region (N,), and labels there.

    overall = mean calibrated confidence + share of region x mean of (correct - calibrated confidence) on its labels.
    Confidences are calibrated by one map, fitted on the baseline's own labels: where those were lucky, the map is too
    high by as much. Outside the region the two errors cancel; what is left there is which answers the baseline drew.
    """
    everything, region = np.asarray(calibrated_all, dtype=float), np.asarray(in_region_all, dtype=bool)
    right = np.asarray(labelled_region_correct, dtype=float)
    confidence = np.asarray(labelled_region_confidence, dtype=float)
    if everything.shape != region.shape or not everything.size or right.shape != confidence.shape:
        raise ValueError("needs a confidence and a region flag per answer, and a confidence per label")
    if not baseline.n:
        raise ValueError("an impact is measured against a baseline with at least one labelled item")
    accuracy = plain(labelled_region_correct)
    share, n = float(region.mean()), len(right)
    residual = right - confidence
    change = float(everything.mean()) + share * float(residual.mean()) - baseline.value
    spread = math.sqrt(
        share**2 * _residual_variance(residual, accuracy) / n
        + float(np.var(everything)) * (1 / everything.size + 1 / baseline.n)
        + share**2 * _smoothed_variance(baseline) / baseline.n
    )
    half = normal_quantile(0.95) * spread
    return Impact(
        share=share,
        accuracy_in_region=accuracy,
        overall_change=Estimate(change, max(change - half, -1.0), min(change + half, 1.0), n, float(n)),
        alarm=bool(change < -WORTH_AN_ALARM and -change > _SURE * spread),
    )


def _residual_variance(residual: Array, accuracy: Estimate) -> float:
    """Never below that of a coin with the accuracy's smoothed odds: a few labels that agree are not certainty."""
    smoothed = (accuracy.value * accuracy.n + 1) / (accuracy.n + 2)
    seen = float(np.var(residual, ddof=1)) if residual.size > 1 else 0.25
    return max(seen, smoothed * (1 - smoothed) / 2)


def _smoothed_variance(rate: Rate) -> float:
    smoothed = (rate.correct + 1) / (rate.n + 2)
    return smoothed * (1 - smoothed)

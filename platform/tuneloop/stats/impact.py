"""How much a changed part of the traffic costs: labels from that part alone, confidence for the rest.

The second stage after the tripwire. About 40 labels from the flagged region correct the calibrated confidence there;
outside the region calibration is assumed to hold, which is why the region is what the tripwire flagged.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuneloop.stats.calibration import Calibrator
from tuneloop.stats.drift import Region, Traffic
from tuneloop.stats.estimates import Estimate, Flags, plain
from tuneloop.stats.intervals import Rate, normal_quantile

Array = NDArray[np.float64]

BURST = 40
"""Random answers of the grown part that each trip asks about."""

FEWEST_LABELS = 10
"""With fewer labels of the grown part nothing is judged, and later traffic is compared with the present one."""

WORTH_AN_ALARM = 0.02
"""Smallest estimated overall drop that alarms, as a share."""

_SURE = 2.3  # standard errors; with about two trips a year, some 4 % of unchanged years alarm


_TOLERATED = 0.03
_SURE_OF_NO_HARM = 1.0
_MOST_LABELS = 2000


@dataclass(frozen=True)
class Impact:
    """`share` of the traffic in the region; `overall_change` is now minus baseline, as a share, negative for a loss.

    At most one of `alarm` and `harmless` is true. With neither, `labels_needed` is about how many more labels of the
    region would settle it, None where no number of them would: too few answers are compared.
    """

    share: float
    accuracy_in_region: Estimate
    overall_change: Estimate
    alarm: bool
    harmless: bool
    labels_needed: int | None


class Answers(NamedTuple):
    """Calibrated confidences (n,) of a period's answers, and which of them lie in the region (n,)."""

    confidence: Array
    in_region: Flags


class Compared(NamedTuple):
    """The traffic of the reference, that of the latest trip, and the part of it that grew."""

    before: Traffic
    now: Traffic
    region: Region


def impact_of(compared: Compared, labelled: Array, correct: Flags, calibrator: Calibrator, baseline: Rate) -> Impact:
    """As `estimate`, by all labels since the reference that lie in the region now.

    Args:
        labelled: confidences (n,) of the labelled answers, to which `correct` (n,) says whether they are right.
    """
    before, now = (
        Answers(calibrator.apply(traffic.confidence), compared.region.holds(traffic))
        for traffic in (compared.before, compared.now)
    )
    return estimate(before, now, correct, calibrator.apply(labelled), baseline)


def estimate(
    before: Answers, now: Answers, labelled_correct: Flags, labelled_confidence: Array, baseline: Rate
) -> Impact:
    """Impact of what changed since the traffic `before`, by labels of the region now.

    change = mean confidence now - before + share of region x mean of (correct - confidence) on its labels.
    Both periods are calibrated by one map, fitted on the labels that `baseline` counts: outside of the region its
    errors cancel, and so does what an earlier harmless change left uncalibrated.
    """
    right, confidence = np.asarray(labelled_correct, dtype=float), np.asarray(labelled_confidence, dtype=float)
    for period in (before, now):
        if period.confidence.shape != period.in_region.shape or not period.confidence.size:
            raise ValueError("needs a confidence and a region flag per answer")
    if right.shape != confidence.shape:
        raise ValueError("needs a confidence per label")
    if not baseline.n:
        raise ValueError("an impact is measured against a baseline with at least one labelled item")
    accuracy = plain(labelled_correct)
    share, n = float(now.in_region.mean()), len(right)
    residual = right - confidence
    change = float(now.confidence.mean() - before.confidence.mean()) + share * float(residual.mean())
    per_label = share**2 * _residual_variance(residual, accuracy)
    fixed = (
        float(np.var(now.confidence)) / now.confidence.size
        + float(np.var(before.confidence)) / before.confidence.size
        + float(before.in_region.mean()) ** 2 * _smoothed_variance(baseline) / baseline.n
    )
    spread = math.sqrt(per_label / n + fixed)
    half = normal_quantile(0.95) * spread
    room = _room(change)
    settled = spread < room
    return Impact(
        share=share,
        accuracy_in_region=accuracy,
        overall_change=Estimate(change, max(change - half, -1.0), min(change + half, 1.0), n, float(n)),
        alarm=settled and change < -WORTH_AN_ALARM,
        harmless=settled and change >= -WORTH_AN_ALARM,
        labels_needed=0 if settled else _labels_needed(per_label, room**2 - fixed, n),
    )


def _room(change: float) -> float:
    """The standard error below which such a change is settled, as harm or as none."""
    return -change / _SURE if change < -WORTH_AN_ALARM else (change + _TOLERATED) / _SURE_OF_NO_HARM


def _labels_needed(per_label: float, left: float, n: int) -> int | None:
    """Further labels until their part of the variance fits into what the rest leaves."""
    total = math.ceil(per_label / left) if left > 0 else _MOST_LABELS
    return max(total - n, 1) if total < _MOST_LABELS else None


def _residual_variance(residual: Array, accuracy: Estimate) -> float:
    """Never below that of a coin with the accuracy's smoothed odds: a few labels that agree are not certainty."""
    smoothed = (accuracy.value * accuracy.n + 1) / (accuracy.n + 2)
    seen = float(np.var(residual, ddof=1)) if residual.size > 1 else 0.25
    return max(seen, smoothed * (1 - smoothed) / 2)


def _smoothed_variance(rate: Rate) -> float:
    smoothed = (rate.correct + 1) / (rate.n + 2)
    return smoothed * (1 - smoothed)

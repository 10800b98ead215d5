"""What labels buy: the smallest drop a chart finds, and how many paired items a test needs.

The item counts are the normal-approximation power calculation, inverted.

`discordance` is the share of items on which exactly one version is right; `difference` is candidate minus production.
"""

import math
from statistics import NormalDist
from typing import NamedTuple

from tuneloop.stats.control_charts import smallest_detectable_drop

_LABELS_A_WEEK = (25, 50, 100, 200, 400)


class Sensitivity(NamedTuple):
    """With `labels` a week a fall by `smallest_drop` is found in eight weeks in nine of ten cases; None: no fall is."""

    labels: int
    smallest_drop: float | None


def more_labels(baseline: tuple[int, int], labels_per_week: int, *, overdispersion: float = 0.0) -> list[Sensitivity]:
    """What a chart with this over-dispersion sees by the present number of labels per week, and by larger ones."""
    larger = [labels for labels in _LABELS_A_WEEK if labels > labels_per_week]
    return [
        Sensitivity(labels, smallest_detectable_drop(baseline, labels, overdispersion=overdispersion))
        for labels in [labels_per_week, *larger]
    ]


def items_for_superiority(discordance: float, difference: float, *, alpha: float = 0.05, power: float = 0.8) -> int:
    """Items with which a one-sided McNemar test finds a true `difference` > 0 (Connor 1987)."""
    if difference <= 0:
        raise ValueError(f"superiority can't be shown of a difference of {difference}")
    discordance = max(discordance, difference)
    spread = _z(alpha) * math.sqrt(discordance) + _z(1 - power) * math.sqrt(discordance - difference**2)
    return math.ceil((spread / difference) ** 2)


def items_to_separate(
    discordance: float, difference: float, boundary: float, *, alpha: float = 0.05, power: float = 0.8
) -> int:
    """Items with which a one-sided paired test tells a true `difference` from `boundary`, on whichever side it lies.

    With boundary = -margin and a difference above it, this is the sample size of a non-inferiority test.
    """
    if difference == boundary:
        raise ValueError(f"no number of items separates {difference} from itself")
    variance = max(discordance, abs(difference)) - difference**2
    return max(1, math.ceil((_z(alpha) + _z(1 - power)) ** 2 * variance / (difference - boundary) ** 2))


def _z(tail: float) -> float:
    return -NormalDist().inv_cdf(tail)

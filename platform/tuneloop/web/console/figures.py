"""Whatever holds a rate, as the one figure that templates show."""

import math
from collections.abc import Mapping
from typing import Any

from tuneloop.kit.figures import MeasuredRate
from tuneloop.stats.intervals import Rate


def figure(rate: Any) -> MeasuredRate | None:
    """The figure in a `Rate`, an estimate or its JSON form; None when nothing was measured."""
    if rate is None:
        return None
    if isinstance(rate, Rate):
        return MeasuredRate(rate.value, rate.n, rate.interval.low, rate.interval.high) if rate.n else None
    names = ("value", "low", "high", "n")
    known = rate if isinstance(rate, Mapping) else {name: getattr(rate, name, None) for name in names}
    value, low, high = known.get("value"), known.get("low"), known.get("high")
    n = int(known.get("n") or 0)
    if value is None or low is None or high is None or not n or not math.isfinite(value):
        return None
    return MeasuredRate(float(value), n, float(low), float(high))

"""Numbers and times as a reader meets them. A rate never comes without its n and interval."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from tuneloop.kit.clock import now
from tuneloop.stats.intervals import Rate

NONE = "\N{EN DASH}"


class ShownRate(NamedTuple):
    """A rate between 0 and 1 with its 95 % interval; `n` is what it was measured on."""

    value: float
    low: float
    high: float
    n: int


def figure(rate: Any) -> ShownRate | None:
    """The figure in a `Rate`, an estimate or its JSON form; None when nothing was measured."""
    if rate is None:
        return None
    if isinstance(rate, Rate):
        return ShownRate(rate.value, rate.interval.low, rate.interval.high, rate.n) if rate.n else None
    known = rate if isinstance(rate, Mapping) else {name: getattr(rate, name, None) for name in ShownRate._fields}
    value, low, high = known.get("value"), known.get("low"), known.get("high")
    n = int(known.get("n") or 0)
    if value is None or low is None or high is None or not n or not math.isfinite(value):
        return None
    return ShownRate(float(value), float(low), float(high), n)


def percent(share: float | None, digits: int = 0) -> str:
    if share is None or not math.isfinite(share):
        return NONE
    return f"{100 * share:.{digits}f} %"


def span(low: float, high: float, digits: int = 0) -> str:
    return f"{100 * low:.{digits}f}{NONE}{100 * high:.{digits}f} %"


def points(difference: float | None, digits: int = 1) -> str:
    """A difference of two rates: "+4.0 points"."""
    if difference is None or not math.isfinite(difference):
        return NONE
    return f"{100 * difference:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def ago(at: datetime) -> str:
    """ "3 hours ago", "in 2 days"; beyond a month the date."""
    seconds = (now() - at).total_seconds()
    apart = abs(seconds)
    if apart < 45:
        return "just now" if seconds >= 0 else "in a moment"
    for unit, size, until in (("minute", 60, 3600), ("hour", 3600, 86_400), ("day", 86_400, 31 * 86_400)):
        if apart < until:
            count = max(1, round(apart / size))
            words = f"{count} {unit}{'s' if count > 1 else ''}"
            return f"{words} ago" if seconds > 0 else f"in {words}"
    return f"{at:%-d %b %Y}"


def words(name: str) -> str:
    """An identifier as words: "too_few_labels" → "too few labels"."""
    return name.replace("_", " ").replace(".", " ")


def duration(seconds: float | None) -> str:
    if seconds is None:
        return NONE
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"

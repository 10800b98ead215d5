"""Numbers and times as people read them, here and in chat. A rate never appears without its n and its interval."""

import math
from dataclasses import dataclass
from datetime import datetime

from typing_extensions import TypedDict

from tuneloop.kit.clock import now

NONE = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


class RateRead(TypedDict):
    """A share between 0 and 1 with its 95 % interval, as it is stored and sent; `value` is None where n is 0."""

    value: float | None
    n: int
    low: float
    high: float


class DifferenceRead(TypedDict):
    """Of two rates, candidate - production, with the 95 % interval of the difference."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class MeasuredRate:
    """A share between 0 and 1 with its 95 % interval; `value` is None where nothing was measured."""

    value: float | None
    n: int
    low: float
    high: float


def percent(share: float | None, digits: int = 0) -> str:
    """ "87 %"."""
    if share is None or not math.isfinite(share):
        return NONE
    return f"{100 * share:.{digits}f} %"


def span(low: float, high: float, digits: int = 0) -> str:
    """ "79-92 %", with an en dash."""
    return f"{100 * low:.{digits}f}{NONE}{100 * high:.{digits}f} %"


def rate(found: RateRead | MeasuredRate, digits: int = 0) -> str:
    """ "87 % (79-92 %, n=100)", with an en dash between the ends."""
    if isinstance(found, MeasuredRate):
        value, n, low, high = found.value, found.n, found.low, found.high
    else:
        value, n, low, high = found["value"], found["n"], found["low"], found["high"]
    if value is None or not n:
        return "not measured (n=0)"
    return f"{percent(value, digits)} ({span(low, high, digits)}, n={n})"


def points(share: float | None, digits: int = 1) -> str:
    """A difference of two shares in points, with its sign: "+4.0"."""
    if share is None or not math.isfinite(share):
        return NONE
    text = f"{100 * share:+.{digits}f}"
    return f"{0:.{digits}f}" if float(text) == 0 else text.replace("-", MINUS)


def difference(found: DifferenceRead, digits: int = 0) -> str:
    """ "+5 (-1 to +11)", in points, with the interval."""
    value, low, high = (points(end, digits) for end in (found["value"], found["low"], found["high"]))
    return f"{value} ({low} to {high})"


def number(value: float | None, form: str = ".3g") -> str:
    return NONE if value is None else format(value, form)


def duration(seconds: float | None) -> str:
    """ "8 s", "2 min 5 s", "1 h 10 min"."""
    if seconds is None:
        return NONE
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def size(count: float) -> str:
    """Of so many bytes."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def ago(at: datetime) -> str:
    """ "3 hours ago", "in 2 days"; beyond a month the date."""
    seconds = (now() - at).total_seconds()
    apart = abs(seconds)
    if apart < 45:
        return "just now" if seconds >= 0 else "in a moment"
    for unit, length, until in (("minute", 60, 3600), ("hour", 3600, 86_400), ("day", 86_400, 31 * 86_400)):
        if apart < until:
            count = max(1, round(apart / length))
            words = f"{count} {unit}{'s' if count > 1 else ''}"
            return f"{words} ago" if seconds > 0 else f"in {words}"
    return f"{at:%-d %b %Y}"


def words(name: str) -> str:
    """An identifier as words: "too_few_labels" becomes "too few labels"."""
    return name.replace("_", " ").replace(".", " ")

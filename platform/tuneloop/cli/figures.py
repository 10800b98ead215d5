"""Figures as people read them. A rate never appears without its n and its interval."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

DIGEST_SHOWN = 12


def rate(value: Mapping[str, Any]) -> str:
    """ "87 % (79-92 %, n=100)" of the API's rate object, with an en dash between the ends."""
    if not value["n"]:
        return "not measured (n=0)"
    low, high = 100 * value["low"], 100 * value["high"]
    return f"{100 * value['value']:.0f} % ({low:.0f}\u2013{high:.0f} %, n={value['n']})"


def points(difference: Mapping[str, Any]) -> str:
    """ "+5 (-1 to +11)", in points of a rate, with the interval of the difference."""
    ends = (100 * difference[part] for part in ("value", "low", "high"))
    value, low, high = (f"{end:+.0f}".replace("-0", "0").replace("+0", "0") for end in ends)
    return f"{value} ({low} to {high})"


def share(value: float | None) -> str:
    """One answer's confidence: not a rate, so it has no n."""
    return "\u2013" if value is None else f"{value:.2f}"


def number(value: float | None) -> str:
    return "\u2013" if value is None else f"{value:.3g}"


def duration(seconds: float) -> str:
    """ "8 s", "2 min 5 s", "1 h 10 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def moment(timestamp: str | None) -> str:
    """Local time to the minute."""
    if timestamp is None:
        return "\u2013"
    return datetime.fromisoformat(timestamp).astimezone().strftime("%Y-%m-%d %H:%M")


def digest(value: str | None) -> str:
    return "\u2013" if value is None else value[:DIGEST_SHOWN]

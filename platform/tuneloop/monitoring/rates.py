"""Rates as monitoring shows them: never without n and interval."""

from collections.abc import Iterable, Mapping
from typing import Any

from tuneloop.kit.figures import MeasuredRate
from tuneloop.stats.intervals import Rate


def figure_of(rate: Rate) -> MeasuredRate:
    low, high = rate.interval
    return MeasuredRate(rate.value if rate.n else None, rate.n, low, high)


def figure_from(stored: Mapping[str, Any]) -> MeasuredRate:
    """Of a rate as readings and alerts store it."""
    return MeasuredRate(stored["value"], stored["n"], stored["low"], stored["high"])


def pooled(rates: Iterable[Mapping[str, Any]]) -> Rate:
    """Stored rates taken together."""
    correct, n = 0.0, 0
    for rate in rates:
        correct += (rate["value"] or 0.0) * rate["n"]
        n += rate["n"]
    return Rate(min(round(correct), n), n)

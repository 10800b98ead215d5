"""Rates of independent yes/no items, and intervals that stay honest at small n and near 0 or 1."""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import scipy

from tuneloop.kit import figures


class Interval(NamedTuple):
    low: float
    high: float

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high


@dataclass(frozen=True)
class Rate:
    """`correct` of `n` items. An empty rate is legal: its value is NaN, its interval everything."""

    correct: int
    n: int

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.n:
            raise ValueError(f"a rate needs 0 <= correct <= n, got {self.correct} of {self.n}")

    @property
    def value(self) -> float:
        return self.correct / self.n if self.n else math.nan

    @property
    def interval(self) -> Interval:
        """Wilson score interval at 95 %."""
        return wilson(self)


def wilson(rate: Rate, level: float = 0.95) -> Interval:
    """Score interval (Wilson 1927): coverage close to `level` on average."""
    return wilson_of(rate.value, rate.n, level) if rate.n else Interval(0.0, 1.0)


def wilson_of(share: float, n: float, level: float = 0.95) -> Interval:
    """Score interval of a share that is worth `n` > 0 independent items, whole or not (effective sample sizes)."""
    z = normal_quantile(level)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if share == 0 else max(0.0, centre - half)
    high = 1.0 if share == 1 else min(1.0, centre + half)
    return Interval(low, high)


def jeffreys(rate: Rate, level: float = 0.95) -> Interval:
    """Equal-tailed posterior interval under Beta(1/2, 1/2), with the ends closed at 0 and n correct."""
    tail, wrong = (1 - level) / 2, rate.n - rate.correct
    posterior = scipy.stats.beta(rate.correct + 0.5, wrong + 0.5)
    low = posterior.ppf(tail) if rate.correct else 0.0
    return Interval(float(low), float(posterior.ppf(1 - tail)) if wrong else 1.0)


def newcombe_difference(production: Rate, candidate: Rate, level: float = 0.95) -> Interval:
    """Interval of candidate - production on *different* items (Newcombe 1998, method 10).

    Versions that answered the same items are compared by `paired.compare_counts`, which is far sharper.
    """
    if not (production.n and candidate.n):
        return Interval(-1.0, 1.0)
    old, new = wilson(production, level), wilson(candidate, level)
    difference = candidate.value - production.value
    down = math.hypot(candidate.value - new.low, old.high - production.value)
    up = math.hypot(new.high - candidate.value, production.value - old.low)
    return Interval(difference - down, difference + up)


def describe(rate: Rate, digits: int = 0) -> str:
    """ "87 % (79-92 %, n=100)", with an en dash; `digits` after the decimal point of every percentage."""
    return figures.rate(figures.MeasuredRate(rate.value, rate.n, *rate.interval), digits)


def describe_interval(interval: Interval, digits: int = 0) -> str:
    return figures.span(interval.low, interval.high, digits)


def normal_quantile(level: float) -> float:
    """z such that a standard normal lies within ±z with probability `level`."""
    if not 0 < level < 1:
        raise ValueError(f"a confidence level lies between 0 and 1, got {level}")
    return NormalDist().inv_cdf((1 + level) / 2)

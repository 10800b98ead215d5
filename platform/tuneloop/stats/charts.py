"""Weekly control chart of a success rate whose baseline is itself uncertain: did accuracy fall?

A rule such as "alarm 4 points below the baseline" raises a false alarm in most years at 100 labels a week; this chart
accumulates evidence and keeps the probability of any false alarm within the horizon at `false_alarm_rate`.
"""

import math
from functools import lru_cache
from typing import NamedTuple, Self, TypedDict

import numpy as np

from tuneloop.stats.intervals import Rate
from tuneloop.stats.shiryaev_roberts import Array, Grid, Recursion

_RUNS = 4000
_SEED = 20250101
_WEEKLY_SIZES = np.array([5, 10, 15, 25, 35, 50, 75, 100, 150, 200, 300, 400, 600, 800])


class Week(NamedTuple):
    correct: int
    n: int


class ChartState(TypedDict):
    """A chart in JSON types: pairs are [correct, n]."""

    baseline: list[int]
    false_alarm_rate: float
    horizon: int
    weeks: list[list[int]]


class Reading(NamedTuple):
    """`statistic` and `threshold` are natural logarithms of evidence; `guaranteed`: the alarm needs no simulation."""

    statistic: float
    threshold: float
    alarm: bool
    guaranteed: bool


class DriftChart:
    """Self-starting Shiryaev-Roberts chart; `baseline` is (correct, n), one observation a week for `horizon` weeks.

    Two thresholds: the guaranteed one, log(horizon / false_alarm_rate), follows from Doob's inequality (exactly for a
    known baseline, on average over its posterior otherwise); the calibrated one is the quantile of simulated years
    without change, drawn from the baseline's posterior at the usual weekly number of labels. The lower one alarms.
    Labels must be a random sample of the traffic; weeks beyond the horizon need a new chart.
    """

    def __init__(self, baseline: tuple[int, int], *, false_alarm_rate: float = 0.05, horizon: int = 52) -> None:
        self._baseline = Rate(*baseline)
        if not self._baseline.n:
            raise ValueError("a drift chart needs a baseline with at least one labelled item")
        if not 0 < false_alarm_rate < 1 or horizon < 1:
            raise ValueError(f"needs 0 < rate < 1 and horizon >= 1, got {false_alarm_rate} and {horizon}")
        self._false_alarm_rate = false_alarm_rate
        self._horizon = horizon
        self._recursion = Recursion(Grid.around(self._baseline), runs=1)
        self._weeks: list[Week] = []

    @property
    def baseline(self) -> Rate:
        return self._baseline

    @property
    def weeks(self) -> tuple[Week, ...]:
        return tuple(self._weeks)

    @property
    def guaranteed_threshold(self) -> float:
        return math.log(self._horizon / self._false_alarm_rate)

    def observe(self, correct: int, n: int) -> Reading:
        """Adds one week of fresh labels; a week without labels is not an observation."""
        week = Rate(correct, n)
        if not week.n:
            raise ValueError("a week without labels is no observation; leave it out")
        statistic = self._add(Week(week.correct, week.n))
        threshold = self.threshold
        return Reading(statistic, threshold, statistic >= threshold, statistic >= self.guaranteed_threshold)

    @property
    def threshold(self) -> float:
        """Calibrated for the average number of labels a week so far."""
        if not self._weeks:
            return self.guaranteed_threshold
        typical = _nearest_size(sum(week.n for week in self._weeks) / len(self._weeks))
        calibrated = _calibrated_threshold(self._baseline, typical, self._false_alarm_rate, self._horizon)
        return min(calibrated, self.guaranteed_threshold)

    def _add(self, week: Week) -> float:
        self._weeks.append(week)
        return float(self._recursion.observe(np.array([week.correct]), week.n)[0])

    def to_dict(self) -> ChartState:
        return {
            "baseline": [self._baseline.correct, self._baseline.n],
            "false_alarm_rate": self._false_alarm_rate,
            "horizon": self._horizon,
            "weeks": [[week.correct, week.n] for week in self._weeks],
        }

    @classmethod
    def from_dict(cls, state: ChartState) -> Self:
        """Replays the weeks; nothing derived is stored, so nothing stored can disagree with the statistic."""
        correct, n = state["baseline"]
        chart = cls((correct, n), false_alarm_rate=state["false_alarm_rate"], horizon=state["horizon"])
        for week in state["weeks"]:
            chart._add(Week(*week))
        return chart


def smallest_detectable_drop(
    baseline: tuple[int, int],
    labels_per_week: int,
    *,
    weeks: int = 8,
    probability: float = 0.9,
    quiet_weeks: int = 12,
    false_alarm_rate: float = 0.05,
    horizon: int = 52,
) -> float | None:
    """Smallest fall of the rate, as a share, found within `weeks` after it with `probability`; None if no fall is.

    Simulated for a true rate at the baseline's value that falls after `quiet_weeks`; resolution half a point.
    """
    rate = Rate(*baseline)
    if not rate.n or labels_per_week < 1:
        raise ValueError(f"needs labels in the baseline and every week, got {rate.n} and {labels_per_week}")
    threshold = min(
        _calibrated_threshold(rate, _nearest_size(labels_per_week), false_alarm_rate, horizon),
        math.log(horizon / false_alarm_rate),
    )
    candidates = np.arange(0.01, rate.value, 0.005)

    def found(drop: float) -> bool:
        truth = np.full((_RUNS // 2, quiet_weeks + weeks), rate.value)
        truth[:, quiet_weeks:] -= drop
        path = _simulate(rate, truth, labels_per_week)
        quiet = path[:, :quiet_weeks].max(axis=1, initial=-np.inf) < threshold
        return float(np.mean(path[quiet, quiet_weeks:].max(axis=1) >= threshold)) >= probability

    low, high = 0, len(candidates)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if found(float(candidates[middle])) else (middle + 1, high)
    return round(float(candidates[low]), 3) if low < len(candidates) else None


@lru_cache(maxsize=256)
def _calibrated_threshold(baseline: Rate, labels: int, false_alarm_rate: float, horizon: int) -> float:
    generator = np.random.default_rng(_SEED)
    wrong = baseline.n - baseline.correct
    truth = generator.beta(baseline.correct + 0.5, wrong + 0.5, size=_RUNS)
    path = _simulate(baseline, np.repeat(truth[:, None], horizon, axis=1), labels)
    return float(np.quantile(path.max(axis=1), 1 - false_alarm_rate, method="higher"))


def _simulate(baseline: Rate, truth: Array, labels: int) -> Array:
    """Statistic of every week (runs, weeks) when the true rates are `truth` (runs, weeks)."""
    generator = np.random.default_rng(_SEED + 1)
    correct = generator.binomial(labels, truth)
    recursion = Recursion(Grid.around(baseline), runs=len(truth))
    return np.stack([recursion.observe(week, labels) for week in correct.T], axis=1)


def _nearest_size(labels: float) -> int:
    """Rounds to the nearest size on a log scale, so that few thresholds are simulated; large weeks share one."""
    return int(_WEEKLY_SIZES[np.argmin(np.abs(np.log(_WEEKLY_SIZES / labels)))])

"""Weekly control chart of a success rate whose baseline is itself uncertain: did accuracy fall?

A rule such as "alarm 4 points below the baseline" raises a false alarm in most years at 100 labels a week; this chart
accumulates evidence and keeps the probability of any false alarm within the horizon at `false_alarm_rate`.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, Self, TypedDict

import numpy as np
import scipy

from tuneloop.stats.intervals import Rate
from tuneloop.stats.shiryaev_roberts import Design, Grid, Recursion
from tuneloop.stats.thresholds import RUNS, calibrated, guaranteed, simulate

FALSE_ALARM_RATE = 0.05
HORIZON = 52
BURN_IN = 8
"""Quiet weeks from which the harmless wobble of a week's labels is learnt."""

_FEWEST_WEEKS = 4
_OVERDISPERSIONS = np.concatenate([[1e-6], np.arange(0.0005, 0.2, 0.0005)])
_USUAL_OVERDISPERSION = 0.004  # a wobble of 2 points around 87 %


class Week(NamedTuple):
    correct: int
    n: int


class ChartState(TypedDict):
    """A chart in JSON types: pairs are [correct, n]."""

    baseline: list[int]
    false_alarm_rate: float
    horizon: int
    overdispersion: float
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
    `overdispersion` (see `fit_overdispersion`) allows for weeks that wobble harmlessly. Labels must be a random sample
    of the traffic; weeks beyond the horizon need a new chart.
    """

    def __init__(
        self,
        baseline: tuple[int, int],
        *,
        false_alarm_rate: float = FALSE_ALARM_RATE,
        horizon: int = HORIZON,
        overdispersion: float = 0.0,
    ) -> None:
        self._baseline = Rate(*baseline)
        if not self._baseline.n:
            raise ValueError("a drift chart needs a baseline with at least one labelled item")
        if not 0 < false_alarm_rate < 1 or horizon < 1:
            raise ValueError(f"needs 0 < rate < 1 and horizon >= 1, got {false_alarm_rate} and {horizon}")
        if not 0 <= overdispersion < 1:
            raise ValueError(f"an overdispersion lies between 0 and 1, got {overdispersion}")
        self._false_alarm_rate = false_alarm_rate
        self._horizon = horizon
        self._design = Design.after(self._baseline, overdispersion)
        self._recursion = Recursion(Grid.of(self._design), runs=1)
        self._weeks: list[Week] = []
        self._statistic = -math.inf

    @property
    def baseline(self) -> Rate:
        return self._baseline

    @property
    def design(self) -> Design:
        return self._design

    @property
    def weeks(self) -> tuple[Week, ...]:
        return tuple(self._weeks)

    @property
    def guaranteed_threshold(self) -> float:
        return guaranteed(self._false_alarm_rate, self._horizon)

    def observe(self, correct: int, n: int) -> Reading:
        """Adds one week of fresh labels; a week without labels is not an observation."""
        week = Rate(correct, n)
        if not week.n:
            raise ValueError("a week without labels is no observation; leave it out")
        self._add(Week(week.correct, week.n))
        statistic = self._statistic
        threshold = self.threshold
        return Reading(statistic, threshold, statistic >= threshold, statistic >= self.guaranteed_threshold)

    @property
    def threshold(self) -> float:
        """Calibrated for the average number of labels a week so far."""
        if not self._weeks:
            return self.guaranteed_threshold
        typical = sum(week.n for week in self._weeks) / len(self._weeks)
        return calibrated(self._design, typical, self._false_alarm_rate, self._horizon)

    def continued(self) -> Self:
        """The chart that takes the next week.

        Once the burn-in is over, and did not end in an alarm, one with the over-dispersion that it shows; after the
        horizon a new one, which knows the last weeks already.
        """
        state = self.to_dict()
        if len(self._weeks) >= self._horizon:
            return self.from_dict({**state, "weeks": state["weeks"][-BURN_IN:]})
        wobble_known = len(self._weeks) != BURN_IN or self._design.overdispersion
        if wobble_known or self._statistic >= self.threshold:
            return self
        return self.from_dict({**state, "overdispersion": fit_overdispersion(self._weeks)})

    def _add(self, week: Week) -> None:
        self._weeks.append(week)
        self._statistic = float(self._recursion.observe(np.array([week.correct]), week.n)[0])

    def to_dict(self) -> ChartState:
        return {
            "baseline": [self._baseline.correct, self._baseline.n],
            "false_alarm_rate": self._false_alarm_rate,
            "horizon": self._horizon,
            "overdispersion": self._design.overdispersion,
            "weeks": [[week.correct, week.n] for week in self._weeks],
        }

    @classmethod
    def from_dict(cls, state: ChartState) -> Self:
        """Replays the weeks; nothing derived is stored, so nothing stored can disagree with the statistic."""
        correct, n = state["baseline"]
        chart = cls(
            (correct, n),
            false_alarm_rate=state["false_alarm_rate"],
            horizon=state["horizon"],
            overdispersion=state.get("overdispersion", 0.0),
        )
        for week in state["weeks"]:
            chart._add(Week(*week))
        return chart


def fit_overdispersion(weeks: Sequence[tuple[int, int]]) -> float:
    """Correlation of labels within a week, from (correct, n) of quiet weeks; 0 with fewer than four weeks.

    The posterior mean of the beta-binomial under an exponential prior: a quarter of a year tells so little that the
    likeliest value is often 0 although weeks wobble, and a chart that believes it alarms too often.
    """
    labelled = np.array([(correct, n) for correct, n in weeks if n], dtype=float).reshape(-1, 2)
    correct, n = labelled.T
    if len(labelled) < _FEWEST_WEEKS or not 0 < correct.sum() < n.sum():
        return 0.0
    rate = correct.sum() / n.sum()
    size = 1 / _OVERDISPERSIONS - 1
    likelihood = scipy.stats.betabinom.logpmf(correct, n, rate * size[:, None], (1 - rate) * size[:, None]).sum(axis=1)
    log_weight = likelihood - _OVERDISPERSIONS / _USUAL_OVERDISPERSION
    weight = np.exp(log_weight - log_weight.max())
    return float((weight * _OVERDISPERSIONS).sum() / weight.sum())


@lru_cache(maxsize=512)
def smallest_detectable_drop(
    baseline: tuple[int, int],
    labels_per_week: int,
    *,
    overdispersion: float = 0.0,
    weeks: int = 8,
    probability: float = 0.9,
    quiet_weeks: int = 12,
    false_alarm_rate: float = FALSE_ALARM_RATE,
    horizon: int = HORIZON,
) -> float | None:
    """Smallest fall of the rate, as a share, found within `weeks` after it with `probability`; None if no fall is.

    Simulated for a true rate at the baseline's value that falls after `quiet_weeks`; resolution half a point.
    `overdispersion` is what the chart has learnt of the weeks' wobbling: it then wants more proof.
    """
    rate = Rate(*baseline)
    if not rate.n or labels_per_week < 1:
        raise ValueError(f"needs labels in the baseline and every week, got {rate.n} and {labels_per_week}")
    design = Design.after(rate, overdispersion)
    threshold = calibrated(design, labels_per_week, false_alarm_rate, horizon)
    candidates = np.arange(0.01, rate.value, 0.005)

    def found(drop: float) -> bool:
        truth = np.full((RUNS // 2, quiet_weeks + weeks), rate.value)
        truth[:, quiet_weeks:] -= drop
        path = simulate(design, truth, labels_per_week)
        quiet = path[:, :quiet_weeks].max(axis=1, initial=-np.inf) < threshold
        return float(np.mean(path[quiet, quiet_weeks:].max(axis=1) >= threshold)) >= probability

    low, high = 0, len(candidates)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if found(float(candidates[middle])) else (middle + 1, high)
    return round(float(candidates[low]), 3) if low < len(candidates) else None

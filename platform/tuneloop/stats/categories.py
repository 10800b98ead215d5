"""One chart per category, all under one false-alarm rate.

Ten charts that each alarm falsely in 5 % of years would alarm in 40 %; here the chance that any of them does is the
stated one. Categories with few labels wait until they have a batch: a weekly test of two labels tells nothing.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, TypedDict

import numpy as np

from tuneloop.stats.control_charts import FALSE_ALARM_RATE, HORIZON, Reading
from tuneloop.stats.intervals import Rate
from tuneloop.stats.pooling import Shrunk, pooled, posteriors
from tuneloop.stats.shiryaev_roberts import Design, Grid, Recursion
from tuneloop.stats.thresholds import calibrated, guaranteed

__all__ = ["CategoryCharts", "CategoryState", "Shrunk", "pooled"]

BATCH = 5
"""Labels that a category collects before they are tested together."""

_DROPS = (0.12, 0.20, 0.30)
_STRENGTHS = np.array([5, 10, 20, 30, 45, 65, 100, 150, 250, 400, 800])


class CategoryState(TypedDict):
    """Charts in JSON types: pairs are [correct, n]; each week names the categories that had labels."""

    baselines: dict[str, list[int]]
    false_alarm_rate: float
    horizon: int
    weeks: list[dict[str, list[int]]]


@dataclass
class _Chart:
    recursion: Recursion
    waiting: Rate
    batches: int = 0
    labels: int = 0


class CategoryCharts:
    """Shiryaev-Roberts charts of categories with `baselines` name -> (correct, n), for `horizon` weeks.

    The chance of any false alarm in any category within the horizon is `false_alarm_rate`; each of m categories gets
    1 - (1 - rate)^(1/m) of it, as the labels of different categories are independent. Baselines of a few labels borrow
    strength from the others (`pooling.posteriors`). The charts look for falls of 10 points and more.
    Categories without a baseline are not charted: nothing can have fallen. Mapping keys of `observe` may name them.
    """

    def __init__(
        self,
        baselines: Mapping[str, tuple[int, int]],
        *,
        false_alarm_rate: float = FALSE_ALARM_RATE,
        horizon: int = HORIZON,
    ) -> None:
        if not 0 < false_alarm_rate < 1 or horizon < 1:
            raise ValueError(f"needs 0 < rate < 1 and horizon >= 1, got {false_alarm_rate} and {horizon}")
        self._baselines = {name: Rate(*pair) for name, pair in baselines.items()}
        self._false_alarm_rate, self._horizon = false_alarm_rate, horizon
        known = {name: (rate.correct, rate.n) for name, rate in self._baselines.items() if rate.n}
        self._share = 1 - (1 - false_alarm_rate) ** (1 / max(len(known), 1))
        self.designs = {
            name: Design(posterior.right, posterior.wrong, drops=_DROPS)
            for name, posterior in (posteriors(known) if known else {}).items()
        }
        self._charts = {
            name: _Chart(Recursion(Grid.of(design), runs=1), Rate(0, 0)) for name, design in self.designs.items()
        }
        self._weeks: list[dict[str, tuple[int, int]]] = []

    @property
    def baselines(self) -> dict[str, Rate]:
        return dict(self._baselines)

    def threshold(self, name: str, labels: float) -> float:
        """Of a category that gets about `labels` in a batch."""
        return calibrated(_rounded(self.designs[name]), labels, self._share, self._horizon)

    def observe(self, counts: Mapping[str, tuple[int, int]]) -> dict[str, Reading]:
        """Adds one week of fresh labels; returns the readings of the categories whose batch is full."""
        tested = self._add(counts)
        return {name: self._reading(name, statistic) for name, statistic in tested.items()}

    def to_dict(self) -> CategoryState:
        return {
            "baselines": {name: [rate.correct, rate.n] for name, rate in self._baselines.items()},
            "false_alarm_rate": self._false_alarm_rate,
            "horizon": self._horizon,
            "weeks": [{name: list(pair) for name, pair in week.items()} for week in self._weeks],
        }

    @classmethod
    def from_dict(cls, state: CategoryState) -> Self:
        """Replays the weeks."""
        charts = cls(
            {name: (correct, n) for name, (correct, n) in state["baselines"].items()},
            false_alarm_rate=state["false_alarm_rate"],
            horizon=state["horizon"],
        )
        for week in state["weeks"]:
            charts._add({name: (correct, n) for name, (correct, n) in week.items()})
        return charts

    def _add(self, counts: Mapping[str, tuple[int, int]]) -> dict[str, float]:
        week = {name: Rate(*pair) for name, pair in counts.items()}
        self._weeks.append({name: (rate.correct, rate.n) for name, rate in week.items() if rate.n})
        found: dict[str, float] = {}
        for name, chart in self._charts.items():
            new = week.get(name, Rate(0, 0))
            batch = Rate(chart.waiting.correct + new.correct, chart.waiting.n + new.n)
            chart.waiting = batch
            if new.n and batch.n >= BATCH:
                chart.waiting = Rate(0, 0)
                chart.batches += 1
                chart.labels += batch.n
                found[name] = float(chart.recursion.observe(np.array([batch.correct]), batch.n)[0])
        return found

    def _reading(self, name: str, statistic: float) -> Reading:
        chart = self._charts[name]
        threshold = self.threshold(name, chart.labels / chart.batches)
        sure = guaranteed(self._share, self._horizon)
        return Reading(statistic, threshold, statistic >= threshold, statistic >= sure)


def _rounded(design: Design) -> Design:
    """A nearby design shared by similar categories, so that few thresholds are simulated."""
    strength = design.right + design.wrong
    nearest = float(_STRENGTHS[np.argmin(np.abs(np.log(_STRENGTHS / strength)))])
    mean = min(max(math.floor(50 * design.right / strength) / 50, 0.02), 0.98)
    return design._replace(right=mean * nearest, wrong=(1 - mean) * nearest)

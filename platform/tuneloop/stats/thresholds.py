"""What a chart's statistic reaches in years without change, by simulation: its calibrated threshold."""

import math
from functools import lru_cache

import numpy as np

from tuneloop.stats.shiryaev_roberts import Array, Design, Grid, Recursion

RUNS = 4000
_SEED = 20250101
_RAREST = 0.02  # rarer false alarms are extrapolated: the tail of a log statistic falls like e^-x (Doob)
_WEEKLY_SIZES = np.array([5, 10, 15, 25, 35, 50, 75, 100, 150, 200, 300, 400, 600, 800])


def guaranteed(false_alarm_rate: float, horizon: int) -> float:
    """Doob's bound: exact for a known baseline, on average over its posterior otherwise."""
    return math.log(horizon / false_alarm_rate)


def calibrated(design: Design, labels_per_week: float, false_alarm_rate: float, horizon: int) -> float:
    """The lower of the guaranteed threshold and the simulated one at about `labels_per_week`."""
    simulated = _quantile(design, _nearest_size(labels_per_week), max(false_alarm_rate, _RAREST), horizon)
    rarer = math.log(max(_RAREST / false_alarm_rate, 1.0))
    return min(simulated + rarer, guaranteed(false_alarm_rate, horizon))


def simulate(design: Design, truth: Array, labels: int) -> Array:
    """Statistic of every week (runs, weeks) when the true rates are `truth` (runs, weeks)."""
    generator = np.random.default_rng(_SEED + 1)
    rates = truth
    if design.overdispersion:
        size = 1 / design.overdispersion - 1
        rates = generator.beta(np.maximum(truth * size, 1e-6), np.maximum((1 - truth) * size, 1e-6))
    correct = generator.binomial(labels, rates)
    recursion = Recursion(Grid.of(design), runs=len(truth))
    return np.stack([recursion.observe(week, labels) for week in correct.T], axis=1)


@lru_cache(maxsize=1024)
def _quantile(design: Design, labels: int, false_alarm_rate: float, horizon: int) -> float:
    truth = np.random.default_rng(_SEED).beta(design.right, design.wrong, size=RUNS)
    path = simulate(design, np.repeat(truth[:, None], horizon, axis=1), labels)
    return float(np.quantile(path.max(axis=1), 1 - false_alarm_rate, method="higher"))


def _nearest_size(labels: float) -> int:
    """Rounds to the nearest size on a log scale, so that few thresholds are simulated; large weeks share one."""
    return int(_WEEKLY_SIZES[np.argmin(np.abs(np.log(_WEEKLY_SIZES / labels)))])

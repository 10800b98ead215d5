"""Years of ten categories under one false-alarm rate."""

import numpy as np
from numpy.typing import NDArray

from tuneloop.stats.categories import CategoryCharts
from tuneloop.stats.control_charts import FALSE_ALARM_RATE, HORIZON
from tuneloop.stats.shiryaev_roberts import Array, Grid, Recursion
from tuneloop.stats.simulations.charts import CHANGE, any_week
from tuneloop.stats.simulations.finding import Finding, at_least, at_most

_SEED = 2
_NAMES = [f"c{number}" for number in range(10)]
_BASELINES = 12
_YEARS = 60


def ten_categories() -> list[Finding]:
    found = []
    alike, unlike = np.full(10, 0.9), np.array([0.7, 0.8, 0.85, *[0.9] * 5, 0.95, 0.97])
    for labels, aim in ((10, 0.8), (20, None)):
        quiet, fallen = _alarms(alike, labels), _alarms(alike, labels, fall=0.6)
        about = f"{labels} labels per category and week, baselines of 40"
        found.append(
            Finding.share(
                f"any false alarm in a year in any of 10 categories, {about}",
                any_week(quiet),
                at_most(FALSE_ALARM_RATE),
            )
        )
        before = any_week(fallen[:, 0, :CHANGE])
        caught = any_week(fallen[~before, 0, CHANGE : CHANGE + 4])
        found.append(
            Finding.share(
                f"90 → 60 % in one category found within 4 weeks, {about}", caught, at_least(aim) if aim else None
            )
        )
    quiet = _alarms(unlike, 10)
    found.append(
        Finding.share(
            "any false alarm in a year in any of 10 categories between 70 and 97 %, 10 labels per category and week",
            any_week(quiet),
            at_most(FALSE_ALARM_RATE),
        )
    )
    return found


def _alarms(truth: Array, labels: int, fall: float | None = None) -> NDArray[np.bool_]:
    """Alarms (runs, categories, weeks); with `fall` the first category falls to it after the quiet weeks."""
    generator = np.random.default_rng(_SEED)
    runs = []
    for _ in range(_BASELINES):
        baselines = dict(zip(_NAMES, ((int(k), 40) for k in generator.binomial(40, truth)), strict=True))
        charts = CategoryCharts(baselines)
        rates = np.repeat(truth[:, None], HORIZON, axis=1)
        if fall is not None:
            rates[0, CHANGE:] = fall
        correct = generator.binomial(labels, rates, size=(_YEARS, len(truth), HORIZON))
        paths = []
        for position, (name, design) in enumerate(charts.designs.items()):
            recursion = Recursion(Grid.of(design), runs=_YEARS)
            path = [recursion.observe(correct[:, position, week], labels) for week in range(HORIZON)]
            paths.append(np.stack(path, axis=1) >= charts.threshold(name, labels))
        runs.append(np.stack(paths, axis=1))
    return np.concatenate(runs)

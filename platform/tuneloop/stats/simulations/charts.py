"""Years of weekly labels: false alarms, falls found, and years that wobble without harm."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tuneloop.stats.control_charts import DriftChart, fit_overdispersion
from tuneloop.stats.shiryaev_roberts import Array, Design, Grid, Recursion
from tuneloop.stats.simulations.finding import Finding, Unit, at_least, at_most
from tuneloop.stats.thresholds import calibrated

Counts = NDArray[np.int64]

YEAR = 52
CHANGE = 12  # quiet weeks before a fall
_SEED = 1
_BASELINES = 12
_YEARS = 250


class _Years(NamedTuple):
    """Correct answers (runs, weeks), the charts' statistics over their thresholds, and the baselines (runs,)."""

    correct: Counts
    over: Array
    baseline: Array


def false_alarms() -> list[Finding]:
    found = []
    for baseline_labels in (100, 400):
        years = _years(np.full(YEAR, 0.87), labels=100, baseline_labels=baseline_labels)
        about = f"at a constant 87 %, 100 labels a week, baseline of {baseline_labels}"
        alarms = any_week(years.over >= 0)
        found.append(Finding.share(f"any false alarm in a year {about}", alarms, at_most(0.05)))
        usual = any_week(years.baseline[:, None] - years.correct / 100 > 0.04)
        found.append(Finding.share(f"  the usual rule, more than 4 points below the baseline, {about}", usual))
    return found


def falls_found() -> list[Finding]:
    found = []
    for labels, baseline_labels, aim in ((100, 100, 0.9), (100, 400, 0.9), (50, 400, 0.6), (25, 400, None)):
        weeks = _weeks_to_alarm(0.87, 0.80, labels, baseline_labels)
        about = f"{labels} labels a week, baseline of {baseline_labels}"
        found.append(
            Finding.share(f"87 → 80 % found within 8 weeks, {about}", weeks <= 8, at_least(aim) if aim else None)
        )
        if labels == 100:
            found.append(Finding.median(f"  weeks until it is found, {about}", Unit.WEEKS, weeks.tolist(), at_most(4)))
    weeks = _weeks_to_alarm(0.87, 0.84, 100, 400)
    found.append(Finding.share("87 → 84 % found within 12 weeks, 100 labels a week, baseline of 400", weeks <= 12))
    return found


def wobbling_years() -> list[Finding]:
    """The true rate varies by 2 points from week to week around 87 %; 12 quiet weeks tell by how much."""
    generator = np.random.default_rng(_SEED)
    labels, baseline = 100, (348, 400)
    ignored: list[bool] = []
    fitted: list[bool] = []
    kept: list[bool] = []
    for _ in range(40):
        burn_in = [(int(k), labels) for k in generator.binomial(labels, _wobble(generator, (12,), 0.87))]
        overdispersion = round(fit_overdispersion(burn_in), 3)
        years = generator.binomial(labels, _wobble(generator, (50, YEAR), 0.87))
        fallen = generator.binomial(labels, _wobble(generator, (50, 8), 0.80))
        ignored.extend(any_week(_alarms(baseline, years, labels, 0.0)).tolist())
        fitted.extend(any_week(_alarms(baseline, years, labels, overdispersion)).tolist())
        after = np.concatenate([years[:, :CHANGE], fallen], axis=1)
        caught = _alarms(baseline, after, labels, overdispersion)
        quiet = ~any_week(caught[:, :CHANGE])
        kept.extend(any_week(caught[quiet, CHANGE:]).tolist())
    about = "weeks wobble by 2 points around 87 %, 100 labels a week"
    return [
        Finding.share(f"any false alarm in a year, {about}, over-dispersion fitted", fitted, at_most(0.05)),
        Finding.share(f"  the same, over-dispersion ignored, {about}", ignored),
        Finding.share(f"87 → 80 % found within 8 weeks, {about}, over-dispersion fitted", kept),
    ]


def any_week(alarms: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Of each run (runs, ..., weeks): did it alarm at all?"""
    return np.asarray(np.any(alarms.reshape(len(alarms), -1), axis=1))


def _alarms(baseline: tuple[int, int], correct: Counts, labels: int, overdispersion: float) -> NDArray[np.bool_]:
    chart = DriftChart(baseline, overdispersion=overdispersion)
    threshold = calibrated(chart.design, labels, 0.05, YEAR)
    return np.asarray(_path(chart.design, correct, labels) >= threshold)


def _wobble(generator: np.random.Generator, shape: tuple[int, ...], rate: float) -> Array:
    return np.clip(generator.normal(rate, 0.02, shape), 0, 1)


def _weeks_to_alarm(before: float, after: float, labels: int, baseline_labels: int) -> Array:
    """Weeks from the fall to the alarm, of the runs without a false alarm before; infinite if none in half a year."""
    truth = np.full(CHANGE + 26, before)
    truth[CHANGE:] = after
    over = _years(truth, labels=labels, baseline_labels=baseline_labels).over >= 0
    fallen = over[~over[:, :CHANGE].any(axis=1), CHANGE:]
    return np.where(fallen.any(axis=1), fallen.argmax(axis=1) + 1.0, np.inf)


def _years(truth: Array, *, labels: int, baseline_labels: int) -> _Years:
    """Runs of weeks whose true rates are `truth`, over the baselines that 87 % would give, equally likely ones."""
    generator = np.random.default_rng(_SEED)
    corrects, overs, baselines = [], [], []
    middles = (np.arange(_BASELINES) + 0.5) / _BASELINES
    for right in stats.binom.ppf(middles, baseline_labels, truth[0]).astype(int).tolist():
        design = DriftChart((right, baseline_labels)).design
        correct = generator.binomial(labels, truth, size=(_YEARS, len(truth)))
        corrects.append(correct)
        overs.append(_path(design, correct, labels) - calibrated(design, labels, 0.05, YEAR))
        baselines.append(np.full(_YEARS, right / baseline_labels))
    return _Years(np.concatenate(corrects), np.concatenate(overs), np.concatenate(baselines))


def _path(design: Design, correct: Counts, labels: int) -> Array:
    recursion = Recursion(Grid.of(design), runs=len(correct))
    return np.stack([recursion.observe(week, labels) for week in correct.T], axis=1)

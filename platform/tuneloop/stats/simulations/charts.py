"""Years of weekly labels: false alarms, falls found, and years that wobble without harm."""

from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from tuneloop.stats.control_charts import BURN_IN, FALSE_ALARM_RATE, HORIZON, DriftChart, fit_overdispersion
from tuneloop.stats.shiryaev_roberts import Array, Design, Grid, Recursion
from tuneloop.stats.simulations.finding import Finding, Unit, at_least, at_most
from tuneloop.stats.thresholds import calibrated

Counts = NDArray[np.int64]

CHANGE = 12  # quiet weeks before a fall
_SEED = 1
_BASELINES = 12
_YEARS = 250
_STEP = 0.0005
"""Over-dispersions are rounded to it, so that few thresholds are simulated; the charts themselves don't round."""


class _Years(NamedTuple):
    """Correct answers (runs, weeks), in which weeks the charts alarm, and the baselines (runs,)."""

    correct: Counts
    alarms: NDArray[np.bool_]
    baseline: Array


def false_alarms() -> list[Finding]:
    found = []
    for baseline_labels in (100, 400):
        years = _years(np.full(HORIZON, 0.87), labels=100, baseline_labels=baseline_labels)
        about = f"at a constant 87 %, 100 labels a week, baseline of {baseline_labels}"
        alarms = any_week(years.alarms)
        found.append(Finding.share(f"any false alarm in a year {about}", alarms, at_most(FALSE_ALARM_RATE)))
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
    """The true rate varies by 2 points from week to week around 87 %."""
    year, fall = np.full(HORIZON, 0.87), np.full(CHANGE + 8, 0.87)
    fall[CHANGE:] = 0.80
    ignored = _years(year, labels=100, baseline_labels=400, wobble=0.02, ignore_wobble=True).alarms
    fitted = _years(year, labels=100, baseline_labels=400, wobble=0.02).alarms
    fallen = _years(fall, labels=100, baseline_labels=400, wobble=0.02).alarms
    caught = any_week(fallen[~any_week(fallen[:, :CHANGE]), CHANGE:])
    about = "weeks wobble by 2 points around 87 %, 100 labels a week, baseline of 400"
    return [
        Finding.share(f"any false alarm in a year, {about}", any_week(fitted), at_most(FALSE_ALARM_RATE)),
        Finding.share(f"  the same, over-dispersion ignored, {about}", any_week(ignored)),
        Finding.share(f"87 → 80 % found within 8 weeks, {about}", caught),
    ]


def any_week(alarms: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Of each run (runs, ..., weeks): did it alarm at all?"""
    return np.asarray(np.any(alarms.reshape(len(alarms), -1), axis=1))


def _weeks_to_alarm(before: float, after: float, labels: int, baseline_labels: int) -> Array:
    """Weeks from the fall to the alarm, of the runs without a false alarm before; infinite if none in half a year."""
    truth = np.full(CHANGE + 26, before)
    truth[CHANGE:] = after
    alarms = _years(truth, labels=labels, baseline_labels=baseline_labels).alarms
    fallen = alarms[~alarms[:, :CHANGE].any(axis=1), CHANGE:]
    return np.where(fallen.any(axis=1), fallen.argmax(axis=1) + 1.0, np.inf)


def _years(
    truth: Array, *, labels: int, baseline_labels: int, wobble: float = 0.0, ignore_wobble: bool = False
) -> _Years:
    """Runs of weeks whose true rates are `truth`, over the baselines that its start would give, equally likely ones.

    With `wobble` each week's rate is normal around that, with this standard deviation.
    """
    generator = np.random.default_rng(_SEED)
    corrects, alarms, baselines = [], [], []
    middles = (np.arange(_BASELINES) + 0.5) / _BASELINES
    for right in scipy.stats.binom.ppf(middles, baseline_labels, truth[0]).astype(int).tolist():
        rates = np.clip(generator.normal(truth, wobble, size=(_YEARS, len(truth))), 0, 1)
        correct = generator.binomial(labels, rates)
        corrects.append(correct)
        baseline = (right, baseline_labels)
        alarms.append(
            _alarms(DriftChart(baseline).design, correct, labels)
            if ignore_wobble
            else charted(baseline, correct, labels)
        )
        baselines.append(np.full(_YEARS, right / baseline_labels))
    return _Years(np.concatenate(corrects), np.concatenate(alarms), np.concatenate(baselines))


def charted(baseline: tuple[int, int], correct: Counts, labels: int) -> NDArray[np.bool_]:
    """In which weeks charts alarm that see `correct` (runs, weeks) of `labels`, as `DriftChart.continued` has it."""
    design = DriftChart(baseline).design
    alarms = _alarms(design, correct, labels)
    burn_in = correct[:, :BURN_IN].tolist()
    wobble = np.array([round(fit_overdispersion([(right, labels) for right in weeks]) / _STEP) for weeks in burn_in])
    wobble[alarms[:, BURN_IN - 1]] = 0
    for steps in np.unique(wobble[wobble > 0]).tolist():
        runs = wobble == steps
        fitted = _alarms(design._replace(overdispersion=steps * _STEP), correct[runs], labels)
        alarms[runs, BURN_IN:] = fitted[:, BURN_IN:]
    return alarms


def _alarms(design: Design, correct: Counts, labels: int) -> NDArray[np.bool_]:
    recursion = Recursion(Grid.of(design), runs=len(correct))
    path = np.stack([recursion.observe(week, labels) for week in correct.T], axis=1)
    return np.asarray(path >= calibrated(design, labels, FALSE_ALARM_RATE, HORIZON))

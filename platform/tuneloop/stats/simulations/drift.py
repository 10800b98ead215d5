"""Weeks of labelled traffic: the tripwire trips, labels of the part that grew tell what the change costs."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from tuneloop.stats.calibration import fit_platt
from tuneloop.stats.control_charts import FALSE_ALARM_RATE, HORIZON
from tuneloop.stats.drift import MOST_COMPARED, Region, Traffic, traffic_shift
from tuneloop.stats.impact import BURST, FEWEST_LABELS, Compared, impact_of
from tuneloop.stats.intervals import Rate
from tuneloop.stats.simulations.finding import Finding, Unit, at_least, at_most

_SEED = 3
_BASELINE_LABELS = 400
_SHARPNESS = 1.7  # the model's confidence is too high; calibration has to find this
_CATEGORIES = np.array([f"c{number}" for number in range(10)])
_MIX = 1 / np.sqrt(np.arange(1, 11)) / (1 / np.sqrt(np.arange(1, 11))).sum()
_QUIET_YEARS = 150
_RUNS = 150


@dataclass(frozen=True)
class _Drift:
    """From now on `share` of the traffic is of another kind.

    Args:
        accuracy: part of it that is right, whatever its confidence; None: as on all other traffic.
        confidence: the mean of what calibration makes of it; None: as on all other traffic.
        answers: with so many labels, equally often, it is answered; None: with all, as other traffic is.
    """

    share: float = 0.0
    accuracy: float | None = None
    confidence: float | None = None
    answers: int | None = None


class _Week(NamedTuple):
    traffic: Traffic
    correct: NDArray[np.bool_]

    def taken(self, which: NDArray[np.int_] | NDArray[np.bool_]) -> "_Week":
        confidence, answers = self.traffic
        return _Week(Traffic(confidence[which], np.array(answers, dtype=str)[which].tolist()), self.correct[which])

    def and_then(self, other: "_Week") -> "_Week":
        confidence = np.concatenate([self.traffic.confidence, other.traffic.confidence])
        answers = [*self.traffic.answers, *other.traffic.answers]
        return _Week(Traffic(confidence, answers), np.concatenate([self.correct, other.correct]))


class _Outcome(NamedTuple):
    """Week of the first alarm, 0 for none; labels spent on trips."""

    alarm: int
    labels: int


_NOTHING = _Week(Traffic(np.zeros(0), []), np.zeros(0, dtype=bool))
_UNCHANGED = _Drift()


def changed_traffic() -> list[Finding]:
    generator = np.random.default_rng(_SEED)
    quiet = [_watch(generator, _UNCHANGED, weeks=HORIZON) for _ in range(_QUIET_YEARS)]
    spent = [outcome.labels for outcome in quiet]
    found = [
        Finding.share("two-stage monitor: any false alarm in a year", _alarmed(quiet), at_most(FALSE_ALARM_RATE)),
        Finding.median("  labels a year spent on its trips", Unit.LABELS, spent, at_most(120)),
    ]
    for about, drift, weeks, aim in (
        ("a new category of 15 % of traffic, low confidence, 2 weeks", _Drift(0.15, 0.40, 0.50), 2, at_least(0.9)),
        ("a new category of 15 %, over-confident, 4 weeks", _Drift(0.15, 0.40, 0.75), 4, at_least(0.85)),
        ("the same, answered with two labels of ten, 4 weeks", _Drift(0.15, 0.40, 0.75, answers=2), 4, None),
        ("a new category of 5 %, low confidence, 8 weeks", _Drift(0.05, 0.40, 0.50), 8, None),
        ("harmless: confidence falls on 15 %, accuracy stays, 8 weeks", _Drift(0.15, 0.88, 0.60), 8, at_most(0.05)),
        ("harmless: 15 % more of one label, 8 weeks", _Drift(0.15, answers=1), 8, at_most(0.05)),
        ("labels change meaning on 15 %, confidence stays, 8 weeks", _Drift(0.15, 0.40), 8, None),
    ):
        outcomes = [_watch(generator, drift, weeks=weeks) for _ in range(_RUNS)]
        found.append(Finding.share(f"two-stage alarm: {about}", _alarmed(outcomes), aim))
    return found


def _alarmed(outcomes: list[_Outcome]) -> list[bool]:
    return [outcome.alarm > 0 for outcome in outcomes]


def _watch(generator: np.random.Generator, drift: _Drift, *, weeks: int) -> _Outcome:
    """One model from its launch on; the drift is there from the first week."""
    labelled = _week(generator, _UNCHANGED, _BASELINE_LABELS)
    before = _week(generator, _UNCHANGED, MOST_COMPARED).traffic
    calibrator = fit_platt(labelled.traffic.confidence, labelled.correct)
    baseline = Rate(int(labelled.correct.sum()), _BASELINE_LABELS)
    asked = _NOTHING
    spent = 0
    for week in range(1, weeks + 1):
        now = _week(generator, drift, MOST_COMPARED)
        region = traffic_shift(before, now.traffic, labelled=True).region
        if region is None:
            continue
        burst = _burst(generator, now, region)
        spent += len(burst.correct)
        asked = asked.and_then(burst)
        inside = asked.taken(region.holds(asked.traffic))
        if len(inside.correct) < FEWEST_LABELS:
            before, asked = now.traffic, _NOTHING
            continue
        compared = Compared(before, now.traffic, region)
        impact = impact_of(compared, inside.traffic.confidence, inside.correct, calibrator, baseline)
        if impact.alarm:
            return _Outcome(week, spent)
        if impact.harmless:
            before, asked = now.traffic, _NOTHING
    return _Outcome(0, spent)


def _burst(generator: np.random.Generator, now: _Week, region: Region) -> _Week:
    inside = np.flatnonzero(region.holds(now.traffic))
    return now.taken(generator.choice(inside, size=min(BURST, len(inside)), replace=False))


def _week(generator: np.random.Generator, drift: _Drift, size: int) -> _Week:
    """Answers whose chance to be right has mean 0.87 and ranks them with an AUROC of about 0.86."""
    chance = generator.beta(2.2, 0.33, size).clip(0.02, 0.999)
    correct = generator.random(size) < chance
    answers = generator.choice(_CATEGORIES, size, p=_MIX)
    other = generator.random(size) < drift.share
    n = int(other.sum())
    if drift.confidence is not None:
        chance[other] = generator.beta(8 * drift.confidence, 8 * (1 - drift.confidence), n)
    if drift.accuracy is not None:
        correct[other] = generator.random(n) < drift.accuracy
    if drift.answers is not None:
        answers[other] = generator.choice(_CATEGORIES[-drift.answers :], n)
    confidence = scipy.special.expit(_SHARPNESS * scipy.special.logit(chance.clip(0.001, 0.999)))
    return _Week(Traffic(confidence, answers.tolist()), correct)

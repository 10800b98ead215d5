"""Weeks of traffic with confidence: the tripwire trips, 40 labels from the flagged region tell what it costs."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from tuneloop.stats.calibration import Calibrator, fit_platt
from tuneloop.stats.drift import confidence_shift, flagged, flagged_among
from tuneloop.stats.impact import Answers, Impact, estimate
from tuneloop.stats.intervals import Rate
from tuneloop.stats.shiryaev_roberts import Array
from tuneloop.stats.simulations.finding import Finding, Unit, at_least, at_most

_SEED = 3
_TRAFFIC = 1000
_BASELINE_LABELS = 400
_LABELS = 40
_TRIP = 0.04  # two trips a year
_SHARPNESS = 1.7  # the model's confidence is too high; calibration has to find this


@dataclass(frozen=True)
class _Drift:
    """From now on `share` of the traffic is of another kind, right with `accuracy` whatever its `confidence`.

    `confidence` is the mean of what calibration makes of it; None: as on all other traffic.
    """

    share: float = 0.0
    accuracy: float = 0.0
    confidence: float | None = None


class _Traffic(NamedTuple):
    confidence: Array
    correct: NDArray[np.bool_]


class _Outcome(NamedTuple):
    """Week of the first alarm, 0 for none; labels spent on regions."""

    alarm: int
    labels: int


_NOTHING = _Traffic(np.zeros(0), np.zeros(0, dtype=bool))

_UNCHANGED = _Drift()
_UNSURE = _Drift(0.15, 0.40, 0.50)
_OVERCONFIDENT = _Drift(0.15, 0.40, 0.75)
_SMALL = _Drift(0.05, 0.40, 0.50)
_BENIGN = _Drift(0.15, 0.88, 0.60)
_CONCEPT = _Drift(0.15, 0.40)


def two_stages() -> list[Finding]:
    generator = np.random.default_rng(_SEED)
    quiet = [_watch(generator, _UNCHANGED, weeks=52) for _ in range(80)]
    found = [
        Finding.share("two-stage monitor: any false alarm in a year", _alarmed(quiet), at_most(0.05)),
        Finding.median(
            "  labels a year spent on its trips", Unit.LABELS, [outcome.labels for outcome in quiet], at_most(120)
        ),
    ]
    for about, drift, weeks, aim in (
        ("a new category of 15 % of traffic, low confidence, 2 weeks", _UNSURE, 2, at_least(0.9)),
        ("a new category of 15 %, over-confident, 4 weeks", _OVERCONFIDENT, 4, at_least(0.85)),
        ("a new category of 5 %, low confidence, 8 weeks", _SMALL, 8, None),
        ("harmless: confidence falls on 15 %, accuracy stays, 8 weeks", _BENIGN, 8, at_most(0.05)),
        ("labels change meaning on 15 %, confidence stays, 8 weeks", _CONCEPT, 8, None),
    ):
        outcomes = [_watch(generator, drift, weeks=weeks) for _ in range(100)]
        found.append(Finding.share(f"two-stage alarm: {about}", _alarmed(outcomes), aim))
    return found


def _alarmed(outcomes: list[_Outcome]) -> list[bool]:
    return [outcome.alarm > 0 for outcome in outcomes]


def _watch(generator: np.random.Generator, drift: _Drift, *, weeks: int) -> _Outcome:
    """One model from its launch on; the drift is there from the first week."""
    labelled = _traffic(generator, _UNCHANGED, _BASELINE_LABELS)
    before = _traffic(generator, _UNCHANGED, _TRAFFIC).confidence
    calibrator = fit_platt(*labelled)
    baseline = Rate(int(labelled.correct.sum()), _BASELINE_LABELS)
    asked = _NOTHING
    labels = 0
    for week in range(1, weeks + 1):
        now = _traffic(generator, drift, _TRAFFIC)
        if confidence_shift(before, now.confidence).p_value > _TRIP:
            continue
        region = flagged(before, now.confidence)
        chosen = generator.choice(np.flatnonzero(region), size=min(_LABELS, int(region.sum())), replace=False)
        labels += len(chosen)
        asked = _Traffic(*(np.concatenate([old, new[chosen]]) for old, new in zip(asked, now, strict=True)))
        impact = _impact(before, now.confidence, asked, calibrator, baseline)
        if impact.alarm:
            return _Outcome(week, labels)
        if impact.harmless:
            before, asked = now.confidence, _NOTHING
    return _Outcome(0, labels)


def _impact(before: Array, now: Array, asked: _Traffic, calibrator: Calibrator, baseline: Rate) -> Impact:
    """By the labels of all weeks since the reference that lie in this week's region."""
    inside = flagged_among(before, now, asked.confidence)
    then, current = (Answers(calibrator.apply(period), flagged_among(before, now, period)) for period in (before, now))
    return estimate(then, current, asked.correct[inside], calibrator.apply(asked.confidence[inside]), baseline)


def _traffic(generator: np.random.Generator, drift: _Drift, size: int) -> _Traffic:
    """Answers whose chance to be right has mean 0.87 and ranks them with an AUROC of about 0.86."""
    chance = generator.beta(2.2, 0.33, size).clip(0.02, 0.999)
    correct = generator.random(size) < chance
    other = generator.random(size) < drift.share
    if drift.confidence is not None:
        chance[other] = generator.beta(8 * drift.confidence, 8 * (1 - drift.confidence), int(other.sum()))
    correct[other] = generator.random(int(other.sum())) < drift.accuracy
    return _Traffic(special.expit(_SHARPNESS * special.logit(chance.clip(0.001, 0.999))), correct)

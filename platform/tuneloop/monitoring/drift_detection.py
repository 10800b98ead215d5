"""The tripwire: has the traffic changed? It looks at all answers, needs no labels, and never says that accuracy fell.

A version's own first traffic is the reference, not its evaluation: a golden set has another mix of questions.
"""

from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from tuneloop.evaluation.service import answers_of
from tuneloop.monitoring.periods import Period, Traffic, keep, new_reading, traffic_between
from tuneloop.registry.contract import Task
from tuneloop.registry.service import contract_of
from tuneloop.stats.drift import confidence_shift, either, label_shift
from tuneloop.tables import EvalRun, Monitor, Reading

TRIPS_A_YEAR = 2
LEVEL = TRIPS_A_YEAR / 52
"""Unchanged traffic trips about twice a year; each trip costs some 40 labels and no more."""

FEWEST_ANSWERS = 20
"""Fewest answers before their confidence is compared with the reference's."""

REFERENCE_ANSWERS = 100
MOST_COMPARED = 1000
"""More answers would find changes too small to matter."""

BINS = 20
STANDS_OUT = 1.0  # standard deviations
MOVES_SHOWN = 5


class Region(NamedTuple):
    """The part of the traffic that there is more of: ranges of confidence [low, high), or predicted labels."""

    ranges: list[tuple[float, float]]
    labels: list[str]

    def holds(self, traffic: Traffic) -> NDArray[np.bool_]:
        """(n,) whether each answer lies in it."""
        inside = np.isin(np.array(traffic.answers, dtype=str), self.labels)
        for low, high in self.ranges:
            inside |= (traffic.confidence >= low) & (traffic.confidence < high)
        return inside

    def describe(self) -> str:
        if self.labels:
            return f"answered with {', '.join(self.labels)}"
        return f"with a confidence of {', '.join(f'{low:.2f}-{min(high, 1.0):.2f}' for low, high in self.ranges)}"


def read_confidence(session: Session, period: Period) -> Reading:
    """Confidence and label mix of all answers; an alarm says which part of the traffic has grown."""
    monitor = period.monitor
    current = traffic_between(session, monitor, period.since, period.until, limit=MOST_COMPARED)
    n = len(current.confidence)
    reading = new_reading(period, "confidence", n)
    reading.value = float(current.confidence.mean()) if n else None
    reference = monitor.charts.get("traffic")
    if reference is None:
        _against_evaluation(session, period, reading, current)
        if n >= REFERENCE_ANSWERS:
            keep_reference(monitor, period.since, period.until)
            reading.detail["note"] = "This traffic is the reference: later periods are compared with it."
        return reading
    before = reference_traffic(session, monitor)
    reading.detail |= {
        "baseline_mean": float(before.confidence.mean()) if len(before.confidence) else None,
        "baseline_n": len(before.confidence),
        "reference": "traffic",
    }
    if n >= FEWEST_ANSWERS and len(before.confidence) >= FEWEST_ANSWERS:
        _test(period, reading, before, current)
    return reading


def keep_reference(monitor: Monitor, since: datetime, until: datetime) -> None:
    """Compare later traffic with that of this time."""
    keep(monitor, "traffic", {"since": since.isoformat(), "until": until.isoformat()})


def reference_traffic(session: Session, monitor: Monitor) -> Traffic:
    """That of the time kept by `keep_reference`."""
    reference = monitor.charts["traffic"]
    since, until = (datetime.fromisoformat(reference[end]) for end in ("since", "until"))
    return traffic_between(session, monitor, since, until, limit=MOST_COMPARED)


def region_from(stored: dict[str, Any]) -> Region:
    return Region([(low, high) for low, high in stored["ranges"]], list(stored["labels"]))


def _against_evaluation(session: Session, period: Period, reading: Reading, current: Traffic) -> None:
    answers = answers_of(session, session.get_one(EvalRun, period.monitor.baseline_run_id))
    before = np.array([answer.confidence for answer in answers], dtype=float)
    reading.detail = {"baseline_mean": float(before.mean()), "baseline_n": len(before), "reference": "evaluation"}
    if len(current.confidence) >= FEWEST_ANSWERS:
        shift = confidence_shift(before, current.confidence)
        reading.statistic, reading.p_value = shift.statistic, shift.p_value


def _test(period: Period, reading: Reading, before: Traffic, current: Traffic) -> None:
    shift = confidence_shift(before.confidence, current.confidence)
    p_values = {"confidence": shift.p_value}
    if contract_of(period.model).task is Task.CLASSIFY:
        moved = label_shift(before.answers, current.answers)
        p_values["labels"] = moved.p_value
        reading.detail["moves"] = [move.__dict__ for move in moved.moves[:MOVES_SHOWN]]
    reading.statistic, reading.p_value = shift.statistic, either(*p_values.values())
    reading.threshold, reading.alarm = LEVEL, reading.p_value <= LEVEL
    reading.detail["p_values"] = p_values
    if reading.alarm:
        by_label = p_values.get("labels", 1.0) < shift.p_value
        region = _grown_labels(before, current) if by_label else _grown_ranges(before, current)
        reading.detail["since"] = period.since.isoformat()
        reading.detail["region"] = region._asdict()
        reading.detail["share"] = float(region.holds(current).mean())
        reading.detail["share_before"] = float(region.holds(before).mean())


def _grown_ranges(before: Traffic, current: Traffic) -> Region:
    edges = np.unique(np.quantile(before.confidence, np.arange(1, BINS) / BINS, method="inverted_cdf"))
    bounds = [0.0, *(float(edge) for edge in edges), 1.01]
    old = np.bincount(np.searchsorted(edges, before.confidence, side="right"), minlength=len(edges) + 1)
    new = np.bincount(np.searchsorted(edges, current.confidence, side="right"), minlength=len(edges) + 1)
    ranges = [(bounds[place], bounds[place + 1]) for place in _standing_out(old, new)]
    return Region(_joined(ranges), [])


def _grown_labels(before: Traffic, current: Traffic) -> Region:
    names = sorted({*before.answers, *current.answers})
    place = {name: index for index, name in enumerate(names)}
    old = np.bincount([place[name] for name in before.answers], minlength=len(names))
    new = np.bincount([place[name] for name in current.answers], minlength=len(names))
    return Region([], [names[index] for index in _standing_out(old, new)])


def _standing_out(old: NDArray[np.int64], new: NDArray[np.int64]) -> list[int]:
    """Cells that hold clearly more of the new answers than of the old, or else the one that grew most."""
    expected = (old + 0.5) / (old + 0.5).sum() * new.sum()
    excess = (new - expected) / np.sqrt(expected)
    found = np.flatnonzero(excess > STANDS_OUT)
    return [int(place) for place in (found if found.size else [int(excess.argmax())])]


def _joined(ranges: list[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for low, high in ranges:
        if joined and joined[-1][1] == low:
            joined[-1] = (joined[-1][0], high)
        else:
            joined.append((low, high))
    return joined

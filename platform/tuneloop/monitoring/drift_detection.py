"""The tripwire: has the traffic changed? It looks at all answers, needs no labels, and never says that accuracy fell.

A version's own first traffic is the reference, not its evaluation: a golden set has another mix of questions.
"""

from datetime import datetime
from typing import Any

import numpy as np
from sqlmodel import Session, select

from tuneloop.evaluation.service import answers_of
from tuneloop.monitoring.periods import Period, keep, new_reading, traffic_between
from tuneloop.registry.contract import Task
from tuneloop.registry.service import contract_of
from tuneloop.stats.drift import LEVEL, MOST_COMPARED, Region, Traffic, confidence_shift, traffic_shift
from tuneloop.tables import EvalRun, Monitor, Prediction, Reading

FEWEST_ANSWERS = 20
"""Fewest answers before their confidence is compared with the reference's."""

REFERENCE_ANSWERS = 100
MOVES_SHOWN = 5
NOT_TOLD = (
    "The service behind this version tells no confidence, so changed traffic is not noticed by it: the labelled sample "
    "and users' reports are what watches it."
)


def read_confidence(session: Session, period: Period) -> Reading:
    """Confidence and label mix of all answers; an alarm says which part of the traffic has grown."""
    monitor = period.monitor
    current = traffic_between(session, monitor, period.since, period.until, limit=MOST_COMPARED)
    n = len(current.confidence)
    reading = new_reading(period, "confidence", n)
    reading.value = float(current.confidence.mean()) if n else None
    if not n and session.exec(select(Prediction.id).where(*period.answered).limit(1)).first() is not None:
        reading.detail["note"] = NOT_TOLD
        return reading
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


def describe(region: Region) -> str:
    if region.labels:
        return f"answered with {', '.join(region.labels)}"
    return f"with a confidence of {', '.join(f'{low:.2f}-{min(high, 1.0):.2f}' for low, high in region.ranges)}"


def _against_evaluation(session: Session, period: Period, reading: Reading, current: Traffic) -> None:
    answers = answers_of(session, session.get_one(EvalRun, period.monitor.baseline_run_id))
    before = np.array([answer.confidence for answer in answers if answer.confidence is not None], dtype=float)
    reading.detail = {
        "baseline_mean": float(before.mean()) if len(before) else None,
        "baseline_n": len(before),
        "reference": "evaluation",
    }
    if len(before) and len(current.confidence) >= FEWEST_ANSWERS:
        shift = confidence_shift(before, current.confidence)
        reading.statistic, reading.p_value = shift.statistic, shift.p_value


def _test(period: Period, reading: Reading, before: Traffic, current: Traffic) -> None:
    shift = traffic_shift(before, current, labelled=contract_of(period.model).task is Task.CLASSIFY)
    if shift.labels is not None:
        reading.detail["moves"] = [move.__dict__ for move in shift.labels.moves[:MOVES_SHOWN]]
    reading.statistic, reading.p_value = shift.confidence.statistic, shift.p_value
    reading.threshold, reading.alarm = LEVEL, shift.region is not None
    reading.detail["p_values"] = shift.p_values
    if shift.region is not None:
        reading.detail["since"] = period.since.isoformat()
        reading.detail["region"] = shift.region._asdict()
        reading.detail["share"] = float(shift.region.holds(current).mean())
        reading.detail["share_before"] = float(shift.region.holds(before).mean())

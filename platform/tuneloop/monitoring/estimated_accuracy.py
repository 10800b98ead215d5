"""Accuracy that confidence alone suggests: true if calibration still holds, and checked as soon as there are labels.

A new kind of question, or labels that change their meaning, break exactly that assumption; so this never alarms.
"""

import math
from typing import Any

import numpy as np
from sqlmodel import Session, col, select

from tuneloop.evaluation.service import answers_of
from tuneloop.monitoring.periods import Array, Period, new_reading, traffic_between
from tuneloop.stats.calibration import Calibrator, fit_platt
from tuneloop.stats.intervals import normal_quantile
from tuneloop.tables import EvalRun, Monitor, Reading

FEWEST_ANSWERS = 20
FEWEST_TO_FIT = 50
LABEL_READINGS = 8


def read_label_free(session: Session, period: Period, labels: Reading) -> Reading:
    """The estimate by the calibration as it was before this period's labels, and what these say about it."""
    monitor = period.monitor
    calibrator = calibrator_of(session, monitor)
    confidence = traffic_between(session, monitor, period.since, period.until).confidence
    reading = new_reading(period, "label_free", len(confidence))
    if calibrator is not None and len(confidence) >= FEWEST_ANSWERS:
        estimate = _estimate(calibrator, confidence)
        reading.value = estimate["value"]
        reading.detail = {"estimate": estimate, "calibrated_on": calibrator.n}
        if labels.n:
            reading.detail["check"] = _check(estimate, labels)
            if not reading.detail["check"]["holds"]:
                reading.detail["note"] = "Labels of this period contradict it: calibration does not hold."
    _refit(session, monitor, labels)
    return reading


def calibrator_of(session: Session, monitor: Monitor) -> Calibrator | None:
    """The monitor's map from confidence to accuracy, at first that of the version's own evaluation."""
    if monitor.calibration:
        return Calibrator(**monitor.calibration)
    return _fit(*_evaluation(session, monitor))


def _estimate(calibrator: Calibrator, confidence: Array) -> dict[str, Any]:
    """Mean calibrated confidence; the interval is of the traffic's size and of the calibration's labels."""
    calibrated = calibrator.apply(confidence)
    value, n = float(calibrated.mean()), len(calibrated)
    variance = float(np.var(calibrated)) / n + value * (1 - value) * (1 / n + 1 / calibrator.n)
    half = normal_quantile(0.95) * math.sqrt(variance)
    return {"value": value, "n": n, "low": max(0.0, value - half), "high": min(1.0, value + half)}


def _check(estimate: dict[str, Any], labels: Reading) -> dict[str, Any]:
    """Estimate minus labels, with an interval from both."""
    measured = labels.detail["accuracy"]
    error = estimate["value"] - measured["value"]
    low = error - math.hypot(estimate["value"] - estimate["low"], measured["high"] - measured["value"])
    high = error + math.hypot(estimate["high"] - estimate["value"], measured["value"] - measured["low"])
    return {"error": error, "low": low, "high": high, "n": measured["n"], "holds": low <= 0 <= high}


def _refit(session: Session, monitor: Monitor, labels: Reading) -> None:
    earlier = session.exec(
        select(Reading)
        .where(Reading.monitor_id == monitor.id, Reading.stream == "labels", col(Reading.n) > 0)
        .order_by(col(Reading.at).desc())
        .limit(LABEL_READINGS)
    ).all()
    confidence, correct = _evaluation(session, monitor)
    for reading in {row.id: row for row in [labels, *earlier]}.values():
        for given, right in reading.detail.get("pairs", ()):
            confidence.append(given)
            correct.append(right)
    fitted = _fit(confidence, correct)
    if fitted is not None:
        monitor.calibration = {"slope": fitted.slope, "intercept": fitted.intercept, "n": fitted.n}


def _fit(confidence: list[float], correct: list[bool]) -> Calibrator | None:
    if len(confidence) < FEWEST_TO_FIT:
        return None
    return fit_platt(np.array(confidence, dtype=float), np.array(correct, dtype=bool))


def _evaluation(session: Session, monitor: Monitor) -> tuple[list[float], list[bool]]:
    answers = answers_of(session, session.get_one(EvalRun, monitor.baseline_run_id))
    told = [(answer.confidence, answer.correct) for answer in answers if answer.confidence is not None]
    return [confidence for confidence, _ in told], [correct for _, correct in told]

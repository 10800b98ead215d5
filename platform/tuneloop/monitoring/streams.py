"""The streams of one reading. They are never mixed: accuracy comes only from the random sample that people labelled."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import ColumnElement
from sqlmodel import Session, col, func, select

from tuneloop.evals.service import answers_of, rate_of
from tuneloop.stats.charts import DriftChart
from tuneloop.stats.drift import confidence_shift
from tuneloop.stats.intervals import Rate
from tuneloop.tables import EvalRun, Example, Feedback, FeedbackKind, Monitor, Pool, Prediction, Reading, Source

SHIFT_NEEDS = 20
"""Fewest answers before their confidence is tested against the baseline's."""

Judge = Callable[[Sequence[Example], Sequence[Prediction]], list[bool]]
"""Says for each labelled answer whether it was right; the scorer of the model's task."""


class Labelled(NamedTuple):
    """A sampled answer and its label."""

    category: str
    correct: bool


def read_labels(session: Session, monitor: Monitor, judge: Judge, *, until: datetime) -> Reading:
    """Accuracy on the labelled sample; the chart says whether it has fallen."""
    labelled = _labelled(session, monitor, judge, until)
    correct = sum(item.correct for item in labelled)
    reading = _reading(monitor, "labels", len(labelled), until)
    reading.detail = {"accuracy": rate_of(Rate(correct, len(labelled))), "categories": _by_category(labelled)}
    if labelled:
        chart = DriftChart.from_dict(monitor.charts["labels"])
        seen = chart.observe(correct, len(labelled))
        reading.value, reading.alarm = correct / len(labelled), seen.alarm
        reading.statistic, reading.threshold = seen.statistic, seen.threshold
        reading.detail["guaranteed"] = seen.guaranteed
        monitor.charts = {**monitor.charts, "labels": chart.to_dict()}
    return reading


def read_confidence(session: Session, monitor: Monitor, *, until: datetime) -> Reading:
    """Confidence of all answers against those of the version's own evaluation."""
    baseline = [a.confidence for a in answers_of(session, session.get_one(EvalRun, monitor.baseline_run_id))]
    answered = select(Prediction.confidence).where(*_period(monitor, until), col(Prediction.confidence).is_not(None))
    current = np.array(session.exec(answered).all(), dtype=float)
    reading = _reading(monitor, "confidence", len(current), until)
    reading.value = float(current.mean()) if len(current) else None
    reading.detail = {"baseline_mean": float(np.mean(baseline)), "baseline_n": len(baseline)}
    if len(current) >= SHIFT_NEEDS:
        shift = confidence_shift(np.array(baseline), current)
        reading.statistic, reading.p_value = shift.statistic, shift.p_value
    return reading


def read_reports(session: Session, monitor: Monitor, *, until: datetime) -> Reading:
    """Share of answers that users reported or corrected: a biased sample, so it is a rate of its own."""
    answers = session.exec(select(func.count(col(Prediction.id))).where(*_period(monitor, until))).one()
    reported = session.exec(
        select(func.count(func.distinct(Feedback.prediction_id)))
        .join(Prediction, col(Prediction.id) == Feedback.prediction_id)
        .where(*_period(monitor, until), col(Feedback.kind).in_([FeedbackKind.ERROR, FeedbackKind.CORRECTION]))
    ).one()
    rate = Rate(reported, answers)
    reading = _reading(monitor, "reports", answers, until)
    reading.value, reading.detail = rate.value if answers else None, {"reported": rate_of(rate)}
    return reading


def _period(monitor: Monitor, until: datetime) -> tuple[ColumnElement[bool], ...]:
    """The monitored version's answers since the last reading."""
    return (
        col(Prediction.version_id) == monitor.version_id,
        col(Prediction.at) > monitor.read_until,
        col(Prediction.at) <= until,
    )


def _labelled(session: Session, monitor: Monitor, judge: Judge, until: datetime) -> list[Labelled]:
    rows = session.exec(
        select(Example, Prediction)
        .join(Prediction, col(Prediction.id) == Example.prediction_id)
        .where(
            *_period(monitor, until),
            col(Example.source) == Source.SAMPLED,
            col(Example.pool) == Pool.ROLLING,
            col(Example.deleted_at).is_(None),
        )
    ).all()
    examples = [example for example, _ in rows]
    verdicts = judge(examples, [prediction for _, prediction in rows])
    return [Labelled(example.category, right) for example, right in zip(examples, verdicts, strict=True)]


def _reading(monitor: Monitor, stream: str, n: int, at: datetime) -> Reading:
    return Reading(
        client_id=monitor.client_id, model_id=monitor.model_id, monitor_id=monitor.id, at=at, stream=stream, n=n
    )


def _by_category(labelled: Sequence[Labelled]) -> dict[str, Any]:
    right = Counter(item.category for item in labelled if item.correct)
    return {
        category: rate_of(Rate(right[category], n))
        for category, n in sorted(Counter(item.category for item in labelled).items())
    }

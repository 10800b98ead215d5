"""One reading a period: labels judge, confidence warns, user reports tell; an alert says what, how sure, on how many.

The four streams are never mixed: accuracy comes only from the random sample that people labelled.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from sqlmodel import Session, col, func, select

from tuneloop.audit.service import record
from tuneloop.evals.service import answers_of, latest_run, rate_of
from tuneloop.identity.principal import Principal
from tuneloop.kit.clock import now
from tuneloop.kit.errors import InvalidInput
from tuneloop.registry.service import aliases, policy_of
from tuneloop.stats.charts import DriftChart
from tuneloop.stats.drift import confidence_shift
from tuneloop.stats.intervals import Rate, describe
from tuneloop.tables import (
    AdapterVersion,
    Alert,
    AlertState,
    Alias,
    EvalRun,
    Example,
    Feedback,
    FeedbackKind,
    Monitor,
    Pool,
    Prediction,
    Reading,
    RegisteredModel,
    Source,
)

FALLEN_FROM = 5
"""Fewest labels in a category before it is named as fallen."""

SHIFT_NEEDS = 20
"""Fewest answers before their confidence is compared."""


class Labelled(NamedTuple):
    """A sampled answer and its label."""

    category: str
    correct: bool


Judge = Callable[[Sequence[Example], Sequence[Prediction]], list[bool]]
"""Says for each labelled answer whether it was right; the scorer of the model's task."""


def start_monitor(session: Session, version: AdapterVersion) -> Monitor | None:
    """Begin, or go on with, watching a version; its baseline is its own evaluation. None without one."""
    known = session.exec(select(Monitor).where(Monitor.version_id == version.id)).one_or_none()
    if known is not None:
        known.read_until = known.updated_at = now()
        session.add(known)
        return known
    baseline = latest_run(session, version.id)
    if baseline is None:
        return None
    model = session.get_one(RegisteredModel, version.model_id)
    chart = DriftChart((baseline.correct, baseline.n), false_alarm_rate=policy_of(model).false_alarm_rate)
    monitor = Monitor(
        client_id=version.client_id,
        model_id=version.model_id,
        version_id=version.id,
        baseline_run_id=baseline.id,
        charts={"labels": chart.to_dict()},
        read_until=now(),
    )
    session.add(monitor)
    session.flush()
    return monitor


def read_monitor(
    session: Session, *, model: RegisteredModel, judge: Judge, until: datetime | None = None
) -> list[Reading]:
    """Read all streams of the period since the last reading, and open an alert if the labels prove a fall.

    Raises:
        InvalidInput: nothing is in production, or its version was never evaluated.
    """
    until = until or now()
    production = aliases(session, model.id).get(Alias.PRODUCTION)
    monitor = (
        session.exec(select(Monitor).where(Monitor.version_id == production.id).with_for_update()).one_or_none()
        if production
        else None
    )
    if monitor is None:
        raise InvalidInput("there is nothing to monitor: deploy an evaluated version first")
    predictions = session.exec(
        select(Prediction).where(
            Prediction.version_id == monitor.version_id,
            Prediction.at > monitor.read_until,
            Prediction.at <= until,
        )
    ).all()
    labelled = _labelled(session, predictions, judge)
    readings = [
        _read_labels(monitor, labelled, at=until),
        _read_confidence(session, monitor, predictions, at=until),
        _read_reports(session, monitor, predictions, at=until),
    ]
    session.add_all(readings)
    monitor.read_until, monitor.updated_at = until, now()
    session.add(monitor)
    if readings[0].alarm:
        _open_alert(session, model, monitor, readings)
    session.flush()
    return readings


def readings_of(session: Session, model_id: UUID, *, limit: int = 300) -> list[Reading]:
    """Newest first."""
    query = select(Reading).where(Reading.model_id == model_id)
    return list(session.exec(query.order_by(col(Reading.at).desc(), Reading.stream).limit(limit)))


def alerts_of(session: Session, model_id: UUID) -> list[Alert]:
    """Newest first."""
    query = select(Alert).where(Alert.model_id == model_id)
    return list(session.exec(query.order_by(col(Alert.opened_at).desc())))


def resolve_alerts(session: Session, model_id: UUID) -> None:
    """A new version in production ends the alert about the old one."""
    for alert in session.exec(select(Alert).where(Alert.model_id == model_id, Alert.state == AlertState.OPEN)):
        alert.state, alert.resolved_at = AlertState.RESOLVED, now()
        session.add(alert)


def _labelled(session: Session, predictions: Sequence[Prediction], judge: Judge) -> list[Labelled]:
    by_id = {prediction.id: prediction for prediction in predictions}
    examples = session.exec(
        select(Example).where(
            col(Example.prediction_id).in_(by_id),
            Example.source == Source.SAMPLED,
            Example.pool == Pool.ROLLING,
            col(Example.deleted_at).is_(None),
        )
    ).all()
    answered = [by_id[example.prediction_id] for example in examples if example.prediction_id]
    return [
        Labelled(example.category, right) for example, right in zip(examples, judge(examples, answered), strict=True)
    ]


def _read_labels(monitor: Monitor, labelled: Sequence[Labelled], *, at: datetime) -> Reading:
    chart = DriftChart.from_dict(monitor.charts["labels"])
    correct = sum(item.correct for item in labelled)
    reading = _reading(monitor, "labels", len(labelled), at)
    reading.detail = {"accuracy": rate_of(Rate(correct, len(labelled))), "categories": _by_category(labelled)}
    if labelled:
        seen = chart.observe(correct, len(labelled))
        reading.value, reading.alarm = correct / len(labelled), seen.alarm
        reading.statistic, reading.threshold = seen.statistic, seen.threshold
        reading.detail["guaranteed"] = seen.guaranteed
        monitor.charts = {**monitor.charts, "labels": chart.to_dict()}
    return reading


def _read_confidence(session: Session, monitor: Monitor, predictions: Sequence[Prediction], *, at: datetime) -> Reading:
    baseline = [a.confidence for a in answers_of(session, session.get_one(EvalRun, monitor.baseline_run_id))]
    current = [p.confidence for p in predictions if p.confidence is not None]
    reading = _reading(monitor, "confidence", len(current), at)
    if len(current) >= SHIFT_NEEDS:
        shift = confidence_shift(np.array(baseline), np.array(current))
        reading.value, reading.statistic, reading.p_value = shift.current_mean, shift.statistic, shift.p_value
        reading.detail = {"baseline_mean": shift.baseline_mean, "baseline_n": len(baseline)}
    return reading


def _read_reports(session: Session, monitor: Monitor, predictions: Sequence[Prediction], *, at: datetime) -> Reading:
    ids = [prediction.id for prediction in predictions]
    reported = session.exec(
        select(func.count(func.distinct(Feedback.prediction_id))).where(
            col(Feedback.prediction_id).in_(ids),
            col(Feedback.kind).in_([FeedbackKind.ERROR, FeedbackKind.CORRECTION]),
        )
    ).one()
    rate = Rate(reported, len(ids))
    reading = _reading(monitor, "reports", len(ids), at)
    reading.value, reading.detail = rate.value if ids else None, {"reported": rate_of(rate)}
    return reading


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


def _open_alert(session: Session, model: RegisteredModel, monitor: Monitor, readings: Sequence[Reading]) -> None:
    """One open alert a model: a repeated alarm adds to its evidence, and the first evidence stays."""
    labels, confidence, reports = readings
    chart = DriftChart.from_dict(monitor.charts["labels"])
    recent = Rate(round((labels.value or 0) * labels.n), labels.n)
    fallen = fallen_categories(session, monitor, labels)
    evidence = {
        "baseline": rate_of(chart.baseline),
        "current": rate_of(recent),
        "weeks": [list(week) for week in chart.weeks],
        "statistic": labels.statistic,
        "threshold": labels.threshold,
        "false_alarms_a_year": policy_of(model).false_alarm_rate,
        "categories": labels.detail["categories"],
        "fallen": fallen,
        "confidence": {"value": confidence.value, "p_value": confidence.p_value, "n": confidence.n} | confidence.detail,
        "reports": reports.detail["reported"],
    }
    known = session.exec(select(Alert).where(Alert.model_id == model.id, Alert.state == AlertState.OPEN)).one_or_none()
    if known is not None:
        known.evidence = {**known.evidence, "latest": evidence}
        session.add(known)
        return
    names = f" Most of it: {', '.join(fallen)}." if fallen else ""
    alert = Alert(
        client_id=model.client_id,
        model_id=model.id,
        monitor_id=monitor.id,
        summary=(
            f"Accuracy on sampled traffic fell from {describe(chart.baseline)} to {describe(recent)}. "
            f"A model that had not changed would raise such an alarm in less than "
            f"{100 * policy_of(model).false_alarm_rate:.0f} % of years.{names}"
        ),
        evidence=evidence,
    )
    session.add(alert)
    session.flush()
    record(
        session,
        Principal.system(model.agency_id, "monitor"),
        "alert.open",
        "alert",
        alert.id,
        client_id=model.client_id,
        summary=alert.summary,
    )


def fallen_categories(session: Session, monitor: Monitor, labels: Reading) -> list[str]:
    """Categories whose accuracy is clearly below the baseline's: their whole interval is. Worst first."""
    baseline = session.get_one(EvalRun, monitor.baseline_run_id)
    overall = baseline.correct / baseline.n
    found: list[tuple[float, str]] = []
    for category, rate in labels.detail["categories"].items():
        before = baseline.categories.get(category)
        level = before["correct"] / before["n"] if before else overall
        if rate["n"] >= FALLEN_FROM and rate["high"] < level:
            found.append((rate["value"], category))
    return [category for _, category in sorted(found)]

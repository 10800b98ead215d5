"""A model over time: weekly accuracy, categories, confidence then and now, reports, and what happened when."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from sqlmodel import Session, col, select

from tuneloop.evaluation.service import answers_of
from tuneloop.kit.clock import now
from tuneloop.kit.figures import MeasuredRate
from tuneloop.monitoring.rates import figure_from, figure_of
from tuneloop.monitoring.schemas import CategorySeries, Confidences, History, Marker, MarkerKind, Point
from tuneloop.monitoring.status import monitor_of
from tuneloop.stats.categories import pooled
from tuneloop.stats.intervals import Rate
from tuneloop.tables import (
    AdapterVersion,
    Alert,
    AlertChange,
    AlertEvent,
    AuditEvent,
    EvalRun,
    Monitor,
    Prediction,
    Reading,
    RegisteredModel,
)

BINS = 20
CONFIDENCE_WINDOW = timedelta(days=28)
MOST_ANSWERS = 20_000
READINGS_POOLED = 4


def history(session: Session, model: RegisteredModel, *, since: datetime | None = None) -> History:
    """All versions that were in production since `since`, by default in the last year."""
    since = since or now() - timedelta(days=365)
    query = select(Reading).where(Reading.model_id == model.id, col(Reading.at) > since, col(Reading.n) > 0)
    readings = session.exec(query.order_by(col(Reading.at))).all()
    numbers = _numbers(session, model.id)
    series: dict[str, list[Reading]] = defaultdict(list)
    for reading in readings:
        series[reading.stream].append(reading)
    monitor = monitor_of(session, model.id)
    run = session.get_one(EvalRun, monitor.baseline_run_id) if monitor else None
    return History(
        baseline=figure_of(Rate(run.correct, run.n)) if run else None,
        accuracy=_points(series["labels"], "accuracy", numbers),
        label_free=_points(series["label_free"], "estimate", numbers),
        reports=_points(series["reports"], "reported", numbers),
        categories=_categories(series["labels"], run, numbers),
        confidence_then=_then(session, run) if run else None,
        confidence_now=_now(session, monitor) if monitor else None,
        markers=_markers(session, model.id, since),
    )


def _numbers(session: Session, model_id: UUID) -> dict[UUID, str]:
    """Version number by monitor."""
    rows = session.exec(
        select(Monitor.id, AdapterVersion.number)
        .join(AdapterVersion, col(AdapterVersion.id) == Monitor.version_id)
        .where(Monitor.model_id == model_id)
    )
    return dict(rows.all())


def _points(readings: list[Reading], name: str, numbers: dict[UUID, str]) -> list[Point]:
    return [
        Point(row.at, numbers[row.monitor_id], figure_from(row.detail[name]), row.alarm)
        for row in readings
        if row.detail.get(name)
    ]


def _categories(readings: list[Reading], run: EvalRun | None, numbers: dict[UUID, str]) -> list[CategorySeries]:
    found: dict[str, list[Point]] = defaultdict(list)
    baselines: dict[str, Any] = run.categories if run else {}
    for row in readings:
        for category, rate in row.detail.get("categories", {}).items():
            alarm = category in row.detail.get("category_alarms", ())
            found[category].append(Point(row.at, numbers[row.monitor_id], figure_from(rate), alarm))
    shrunk = _shrunk(found)
    return [
        CategorySeries(
            category=category,
            baseline=figure_of(Rate(baselines[category]["correct"], baselines[category]["n"]))
            if category in baselines
            else None,
            now=shrunk.get(category),
            points=found.get(category, []),
        )
        for category in sorted({*found, *baselines})
    ]


def _shrunk(found: dict[str, list[Point]]) -> dict[str, MeasuredRate]:
    """Labels of the newest version's last readings, pooled over categories."""
    points = [point for series in found.values() for point in series]
    if not points:
        return {}
    newest = max(points, key=lambda point: point.at)
    times = sorted({point.at for point in points if point.version == newest.version})[-READINGS_POOLED:]
    counts = {}
    for category, series in found.items():
        taken = [point.figure for point in series if point.at in times]
        n = sum(figure.n for figure in taken)
        counts[category] = (sum(round((figure.value or 0) * figure.n) for figure in taken), n)
    return {
        category: MeasuredRate(rate.value, rate.n, rate.low, rate.high)
        for category, rate in pooled(counts).items()
        if rate.n
    }


def _then(session: Session, run: EvalRun) -> Confidences:
    values = [answer.confidence for answer in answers_of(session, run) if answer.confidence is not None]
    return _confidences(f"evaluation of {run.created_at:%Y-%m-%d}", values)


def _now(session: Session, monitor: Monitor) -> Confidences:
    query = select(Prediction.confidence).where(
        Prediction.version_id == monitor.version_id,
        col(Prediction.at) > now() - CONFIDENCE_WINDOW,
        col(Prediction.confidence).is_not(None),
    )
    rows = session.exec(query.order_by(col(Prediction.at).desc()).limit(MOST_ANSWERS))
    values = [value for value in rows if value is not None]
    return _confidences(f"production, last {CONFIDENCE_WINDOW.days} days", values)


def _confidences(label: str, values: list[float]) -> Confidences:
    counts, _ = np.histogram(np.clip(values, 0.0, 1.0), bins=BINS, range=(0.0, 1.0))
    shares = [float(count) / len(values) for count in counts] if values else [0.0] * BINS
    return Confidences(label, shares, float(np.mean(values)) if values else None, len(values))


def _markers(session: Session, model_id: UUID, since: datetime) -> list[Marker]:
    deployed = session.exec(
        select(AuditEvent).where(
            AuditEvent.action == "version.deploy",
            AuditEvent.subject_id == str(model_id),
            col(AuditEvent.at) > since,
        )
    )
    markers = [
        Marker(row.at, MarkerKind.DEPLOYMENT, f"v{row.detail['number']} deployed", version=row.detail["number"])
        for row in deployed
    ]
    happened = session.exec(
        select(AlertEvent)
        .join(Alert, col(Alert.id) == AlertEvent.alert_id)
        .where(Alert.model_id == model_id, col(AlertEvent.at) > since)
    )
    kinds = {
        AlertChange.OPENED: MarkerKind.ALERT,
        AlertChange.RAISED: MarkerKind.ALERT,
        AlertChange.RESOLVED: MarkerKind.RESOLUTION,
        AlertChange.DISMISSED: MarkerKind.RESOLUTION,
    }
    markers += [
        Marker(row.at, kinds[row.change], row.summary, alert_id=row.alert_id) for row in happened if row.change in kinds
    ]
    return sorted(markers, key=lambda marker: marker.at)

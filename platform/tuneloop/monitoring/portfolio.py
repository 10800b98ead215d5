"""All models of an agency at a glance: which one needs somebody, and for what."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import Session, col, func, select

from tuneloop.kit.clock import now
from tuneloop.kit.figures import MeasuredRate
from tuneloop.monitoring.external import ends_of
from tuneloop.monitoring.model_health import accuracy_of, label_readings
from tuneloop.monitoring.rates import figure_of
from tuneloop.monitoring.schemas import PortfolioRow, UpcomingTask
from tuneloop.monitoring.status import NOTHING, explain, lately, state_of
from tuneloop.registry.service import numbers_by_alias
from tuneloop.stats.intervals import Rate
from tuneloop.tables import (
    Alert,
    AlertLevel,
    AlertState,
    Alias,
    Approval,
    Client,
    EvalRun,
    JobRow,
    Monitor,
    MonitorStatus,
    Prediction,
    RegisteredModel,
    RetrainingCycle,
    ReviewItem,
    ReviewState,
    Schedule,
    VersionAlias,
)

MONTH = timedelta(days=30)
URGENCY = [
    MonitorStatus.ALERT,
    MonitorStatus.WARN,
    MonitorStatus.NO_DATA,
    MonitorStatus.TOO_FEW_LABELS,
    MonitorStatus.OK,
]


def portfolio(session: Session, *, at: datetime | None = None) -> list[PortfolioRow]:
    """Most urgent first, then by name."""
    at = at or now()
    models = session.exec(
        select(RegisteredModel, Client).join(Client, col(Client.id) == RegisteredModel.client_id)
    ).all()
    numbers, monitors = numbers_by_alias(session, [model.id for model, _ in models]), _monitors(session)
    alerts = _open_alerts(session)
    watched = list(monitors.values())
    labels, seen = label_readings(session, watched), lately(session, watched, at)
    baselines = _baselines(session, monitors)
    waiting = _counts(
        session,
        select(RetrainingCycle.model_id, func.count(col(Approval.id)))
        .join_from(Approval, RetrainingCycle, col(RetrainingCycle.id) == Approval.cycle_id)
        .where(col(Approval.decision).is_(None), col(Approval.expires_at) > at)
        .group_by(col(RetrainingCycle.model_id)),
    )
    due = _counts(
        session,
        select(ReviewItem.model_id, func.count(col(ReviewItem.id)))
        .where(col(ReviewItem.state).in_([ReviewState.OPEN, ReviewState.DISPUTED]))
        .group_by(col(ReviewItem.model_id)),
    )
    answers = _counts(
        session,
        select(Prediction.model_id, func.count(col(Prediction.id)))
        .where(col(Prediction.at) > at - MONTH)
        .group_by(col(Prediction.model_id)),
    )
    compute = _compute_seconds(session, at)
    tasks, ends = _next_tasks(session), ends_of(session)
    rows = []
    for model, client in models:
        monitor = monitors.get(model.id)
        rows.append(
            PortfolioRow(
                client=client.slug,
                client_name=client.name,
                domain=client.domain,
                plan=client.plan,
                model=model.slug,
                model_id=model.id,
                version=numbers[model.id].get(Alias.PRODUCTION),
                status=state_of(monitor, alerts[model.id]),
                since=monitor.status_since if monitor else None,
                reason=explain(monitor, alerts[model.id], seen[monitor.id] if monitor else NOTHING),
                accuracy=accuracy_of(labels[monitor.id])[0] if monitor else None,
                baseline=baselines.get(model.id),
                open_alerts=len(alerts[model.id]),
                approvals_waiting=waiting.get(model.id, 0),
                labels_due=due.get(model.id, 0),
                answers=answers.get(model.id, 0),
                client_compute_seconds=compute.get(client.id, 0.0),
                next_task=tasks.get(model.id),
                ends_on=ends.get(model.id),
            )
        )
    return sorted(rows, key=lambda row: (URGENCY.index(row.status), row.client, row.model))


def _monitors(session: Session) -> dict[UUID, Monitor]:
    """Of each model's version in production."""
    in_production = select(VersionAlias.version_id).where(VersionAlias.name == Alias.PRODUCTION)
    monitors = session.exec(select(Monitor).where(col(Monitor.version_id).in_(in_production)))
    return {row.model_id: row for row in monitors}


def _open_alerts(session: Session) -> dict[UUID, list[Alert]]:
    found: dict[UUID, list[Alert]] = defaultdict(list)
    for alert in session.exec(
        select(Alert).where(Alert.state == AlertState.OPEN).order_by(col(Alert.opened_at).desc())
    ):
        found[alert.model_id].append(alert)
    for alerts in found.values():
        alerts.sort(key=lambda alert: alert.level is not AlertLevel.ALERT)
    return found


def _baselines(session: Session, monitors: dict[UUID, Monitor]) -> dict[UUID, MeasuredRate]:
    ids = [monitor.baseline_run_id for monitor in monitors.values()]
    runs = session.exec(select(EvalRun).where(col(EvalRun.id).in_(ids)))
    return {run.model_id: figure_of(Rate(run.correct, run.n)) for run in runs}


def _counts(session: Session, query: Any) -> dict[UUID, int]:
    return dict(session.exec(query).all())


def _compute_seconds(session: Session, at: datetime) -> dict[UUID, float]:
    """Time that the client's jobs ran, by client."""
    ran = func.sum(func.extract("epoch", col(JobRow.finished_at) - col(JobRow.started_at)))
    query = select(JobRow.client_id, ran).where(
        col(JobRow.finished_at) > at - MONTH, col(JobRow.started_at).is_not(None)
    )
    return {
        client_id: float(seconds)
        for client_id, seconds in session.exec(query.group_by(col(JobRow.client_id)))
        if client_id is not None
    }


def _next_tasks(session: Session) -> dict[UUID, UpcomingTask]:
    found: dict[UUID, UpcomingTask] = {}
    due = select(Schedule).where(col(Schedule.paused).is_(False)).order_by(col(Schedule.next_at))
    for row in session.exec(due):
        found.setdefault(row.model_id, UpcomingTask(row.task, row.every_days, row.next_at, row.paused, row.custom))
    return found

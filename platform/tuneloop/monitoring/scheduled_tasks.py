"""What the calendar makes due: turned into jobs by the scheduler."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, String, cast
from sqlmodel import Session, col, select

from tuneloop.clients.entitlements import suspension_of
from tuneloop.kit.clock import now
from tuneloop.kit.jobs import Duty, Job, JobRow, enqueue_once
from tuneloop.monitoring.drift_followup import traffic_to_settle
from tuneloop.monitoring.external import due_endpoints, watch
from tuneloop.monitoring.jobs import EvaluateExternal, ProposeRetrain, ReadMonitor, RunCanary, SettleTraffic
from tuneloop.monitoring.schedules import begin_schedules, move_on
from tuneloop.tables import (
    Alert,
    Alias,
    EvalRun,
    Example,
    ExternalEndpoint,
    Feature,
    Monitor,
    Pool,
    Schedule,
    ScheduledTask,
    VersionAlias,
)

JOBS: dict[ScheduledTask, type[ReadMonitor | RunCanary | ProposeRetrain]] = {
    ScheduledTask.READING: ReadMonitor,
    ScheduledTask.CANARY: RunCanary,
    ScheduledTask.RETRAIN: ProposeRetrain,
}
CHECKS = (ScheduledTask.READING, ScheduledTask.CANARY)
TASKS_AT_ONCE = 200


def _models_without_calendar(session: Session) -> Sequence[UUID]:
    """Monitors of models that went into production before there was a calendar."""
    scheduled = select(Schedule.id).where(Schedule.model_id == Monitor.model_id)
    query = (
        select(Monitor.id)
        .join(VersionAlias, col(VersionAlias.version_id) == Monitor.version_id)
        .where(VersionAlias.name == Alias.PRODUCTION, ~scheduled.exists())
    )
    return session.exec(query).all()


def _due_tasks(session: Session) -> Sequence[UUID]:
    in_production = select(VersionAlias.model_id).where(VersionAlias.name == Alias.PRODUCTION)
    query = select(Schedule.id).where(*_is_due(), col(Schedule.model_id).in_(in_production))
    return session.exec(query.order_by(col(Schedule.next_at)).limit(TASKS_AT_ONCE)).all()


def _start_task(session: Session, schedule_id: UUID) -> None:
    """Enqueue it and set its next date. Checks of a client whose maintenance is suspended are left out."""
    query = select(Schedule).where(Schedule.id == schedule_id, *_is_due())
    row = session.exec(query.with_for_update(skip_locked=True)).one_or_none()
    if row is None:
        return
    if not (row.task in CHECKS and suspension_of(session, row.client_id, Feature.MONITORING)):
        job: Job = JOBS[row.task](model_id=row.model_id)
        enqueue_once(session, job, row.model_id, owner=row)
    move_on(session, row, at=now())


def _is_due() -> tuple[ColumnElement[bool], ...]:
    return col(Schedule.paused).is_(False), col(Schedule.next_at) <= now()


def _settle(session: Session, alert_id: UUID) -> None:
    alert = session.get_one(Alert, alert_id)
    enqueue_once(session, SettleTraffic(alert_id=alert.id), alert.id, owner=alert)


def _unevaluated(session: Session) -> Sequence[UUID]:
    """External versions in production that have never answered the golden set there is; each is tried once a day."""
    golden = select(Example.id).where(
        Example.model_id == ExternalEndpoint.model_id, Example.pool == Pool.GOLDEN, col(Example.deleted_at).is_(None)
    )
    evaluated = select(EvalRun.id).where(EvalRun.version_id == ExternalEndpoint.version_id)
    tried = select(JobRow.id).where(
        JobRow.name == EvaluateExternal.name,
        JobRow.client_id == ExternalEndpoint.client_id,
        JobRow.args["version_id"].as_string() == cast(col(ExternalEndpoint.version_id), String),
        col(JobRow.created_at) > now() - timedelta(days=1),
    )
    query = (
        select(ExternalEndpoint.id)
        .join(VersionAlias, col(VersionAlias.version_id) == ExternalEndpoint.version_id)
        .where(VersionAlias.name == Alias.PRODUCTION, golden.exists(), ~evaluated.exists(), ~tried.exists())
    )
    return session.exec(query.limit(TASKS_AT_ONCE)).all()


def _evaluate(session: Session, endpoint_id: UUID) -> None:
    endpoint = session.get_one(ExternalEndpoint, endpoint_id)
    enqueue_once(session, EvaluateExternal(version_id=endpoint.version_id), endpoint.version_id, owner=endpoint)


CALENDARS = Duty(
    "calendars", _models_without_calendar, lambda session, id_: begin_schedules(session, session.get_one(Monitor, id_))
)
TASKS = Duty("calendar", _due_tasks, _start_task)
ENDPOINTS = Duty("external endpoints", due_endpoints, watch)
BASELINES = Duty("external baselines", _unevaluated, _evaluate)
BURSTS = Duty("labelled bursts", lambda session: [alert.id for alert in traffic_to_settle(session)], _settle)
"""The verdict about changed traffic whose answers are all labelled."""

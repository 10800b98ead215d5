"""What the calendar makes due: turned into jobs by the scheduler."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from tuneloop.clients.entitlements import suspension_of
from tuneloop.kit.clock import now
from tuneloop.kit.jobs import Duty, Job, enqueue_once
from tuneloop.monitoring.drift_followup import traffic_to_settle
from tuneloop.monitoring.jobs import ProposeRetrain, ReadMonitor, RunCanary, SettleTraffic
from tuneloop.monitoring.schedules import begin_schedules, move_on
from tuneloop.tables import Alert, Alias, Feature, Monitor, Schedule, ScheduledTask, VersionAlias

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


CALENDARS = Duty(
    "calendars", _models_without_calendar, lambda session, id_: begin_schedules(session, session.get_one(Monitor, id_))
)
TASKS = Duty("calendar", _due_tasks, _start_task)
BURSTS = Duty("labelled bursts", lambda session: [alert.id for alert in traffic_to_settle(session)], _settle)
"""The verdict about changed traffic whose answers are all labelled."""

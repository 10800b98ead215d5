"""What the calendar makes due: turned into jobs by the scheduler, in its own transaction."""

from sqlmodel import Session, col, select

from tuneloop.clients.entitlements import hold_of
from tuneloop.kit.clock import now
from tuneloop.kit.jobs import Job, enqueue
from tuneloop.monitoring.jobs import ProposeRetrain, ReadMonitor, RunCanary, SettleTraffic
from tuneloop.monitoring.schedules import begin_schedules, move_on
from tuneloop.monitoring.two_stage import traffic_to_settle
from tuneloop.tables import Alias, Feature, Monitor, Schedule, ScheduledTask, VersionAlias

JOBS: dict[ScheduledTask, type[ReadMonitor | RunCanary | ProposeRetrain]] = {
    ScheduledTask.READING: ReadMonitor,
    ScheduledTask.CANARY: RunCanary,
    ScheduledTask.RETRAIN: ProposeRetrain,
}
CHECKS = (ScheduledTask.READING, ScheduledTask.CANARY)


def start_due_tasks(session: Session, *, limit: int = 200) -> int:
    """Enqueue every task that is due for a model in production, and set its next date.

    Checks of a client whose maintenance is on hold are left out until it isn't.
    """
    moment = now()
    _begin_missing(session)
    in_production = select(VersionAlias.model_id).where(VersionAlias.name == Alias.PRODUCTION)
    due = session.exec(
        select(Schedule)
        .where(
            col(Schedule.paused).is_(False),
            col(Schedule.next_at) <= moment,
            col(Schedule.model_id).in_(in_production),
        )
        .order_by(col(Schedule.next_at))
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for row in due:
        if row.task in CHECKS and hold_of(session, row.client_id, Feature.MONITORING):
            move_on(session, row, at=moment)
            continue
        job: Job = JOBS[row.task](model_id=row.model_id)
        enqueue(
            session,
            job,
            agency_id=row.agency_id,
            client_id=row.client_id,
            dedupe_key=f"{job.name}:{row.model_id}",
        )
        move_on(session, row, at=moment)
    return len(due)


def settle_labelled_bursts(session: Session) -> int:
    """Enqueue the verdict about changed traffic whose answers are all labelled."""
    found = traffic_to_settle(session)
    for alert in found:
        enqueue(
            session,
            SettleTraffic(alert_id=alert.id),
            agency_id=alert.agency_id,
            client_id=alert.client_id,
            dedupe_key=f"{SettleTraffic.name}:{alert.id}",
        )
    return len(found)


def _begin_missing(session: Session) -> None:
    """Models that went into production before there was a calendar."""
    scheduled = select(Schedule.id).where(Schedule.model_id == Monitor.model_id)
    query = (
        select(Monitor)
        .join(VersionAlias, col(VersionAlias.version_id) == Monitor.version_id)
        .where(VersionAlias.name == Alias.PRODUCTION, ~scheduled.exists())
    )
    for monitor in session.exec(query).all():
        begin_schedules(session, monitor)
    session.flush()

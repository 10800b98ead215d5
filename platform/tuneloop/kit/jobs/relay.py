"""From committed row to notified worker: enqueue in the caller's transaction, notify after it, and again if unheard."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, SQLColumnExpression, Text, cast, func, or_
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select, update

from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.jobs.duties import Duty
from tuneloop.kit.jobs.job import Job, UnreadableJob
from tuneloop.kit.jobs.lease import give_up, put_off, stop
from tuneloop.kit.jobs.table import JobRow, JobState
from tuneloop.kit.tenancy import ClientOwned

log = structlog.get_logger(__name__)

CHANNEL = "tuneloop_jobs"
NOTIFY_AGAIN = timedelta(seconds=15)
LOST_AT_ONCE = 100

Notify = Callable[[str, UUID], None]


def enqueue(
    session: Session,
    job: Job,
    *,
    agency_id: UUID,
    client_id: UUID | None = None,
    dedupe_key: str | None = None,
    delay: timedelta = timedelta(),
) -> UUID | None:
    """Add a job to the caller's transaction; None when a live job with the same `dedupe_key` exists already."""
    row = JobRow(
        agency_id=agency_id,
        client_id=client_id,
        name=job.name,
        queue=job.queue,
        args=job.model_dump(mode="json"),
        dedupe_key=dedupe_key,
        max_attempts=job.max_attempts,
        run_after=now() + delay,
    )
    statement = (
        insert(JobRow)
        .values(**{name: getattr(row, name) for name in JobRow.model_fields})
        .on_conflict_do_nothing()
        .returning(col(JobRow.id))
    )
    job_id = session.execute(statement).scalar_one_or_none()
    session.execute(select(func.pg_notify(CHANNEL, str(job_id))).select_from(JobRow).limit(1))
    return job_id


def enqueue_once(
    session: Session, job: Job, subject_id: UUID, *, owner: ClientOwned, delay: timedelta = timedelta()
) -> UUID | None:
    """Add a job about something of the owner's client; None while one of its kind `is_planned` for it."""
    return enqueue(
        session,
        job,
        agency_id=owner.agency_id,
        client_id=owner.client_id,
        dedupe_key=_about(type(job), subject_id),
        delay=delay,
    )


def hurry(session: Session, job: type[Job], subject_id: UUID) -> UUID | None:
    """Make the queued job of this kind about the subject due now; None where none waits."""
    key = _about(job, subject_id)
    query = select(JobRow).where(JobRow.dedupe_key == key, JobRow.state == JobState.QUEUED).with_for_update()
    row = session.exec(query.execution_options(populate_existing=True)).one_or_none()
    if row is None:
        return None
    row.run_after = min(row.run_after, now())
    session.add(row)
    session.flush()
    session.execute(select(func.pg_notify(CHANNEL, str(row.id))).select_from(JobRow).limit(1))
    return row.id


def is_planned(job: type[Job], subject_id: SQLColumnExpression[UUID]) -> ColumnElement[bool]:
    """Condition: a live job of this kind was added with `enqueue_once` about the subject."""
    live = select(JobRow.id).where(
        JobRow.dedupe_key == func.concat(f"{job.name}:", cast(subject_id, Text)),
        col(JobRow.state).in_([JobState.QUEUED, JobState.RUNNING]),
    )
    return live.exists()


def _about(job: type[Job], subject_id: UUID) -> str:
    return f"{job.name}:{subject_id}"


def notify_due(database: Database, notify: Notify, *, limit: int = 500) -> int:
    """Notify workers of due jobs that are new, or that nobody has claimed for `NOTIFY_AGAIN`; returns of how many.

    No transaction is open while the broker is asked. Jobs that the broker did not take are due again at once.
    """
    with database.all_agencies() as session:
        due = _mark_notified(session, limit)
    notified = 0
    try:
        for queue, job_id in due:
            notify(queue, job_id)
            notified += 1
    finally:
        if missed := [job_id for _, job_id in due[notified:]]:
            with database.all_agencies() as session:
                session.execute(update(JobRow).where(col(JobRow.id).in_(missed)).values(notified_at=None))
    return notified


def _mark_notified(session: Session, limit: int) -> list[tuple[str, UUID]]:
    moment = now()
    due = session.exec(
        select(JobRow)
        .where(
            JobRow.state == JobState.QUEUED,
            col(JobRow.run_after) <= moment,
            or_(col(JobRow.notified_at).is_(None), col(JobRow.notified_at) < moment - NOTIFY_AGAIN),
        )
        .order_by(col(JobRow.run_after))
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for row in due:
        row.notified_at = moment
        session.add(row)
    return [(row.queue, row.id) for row in due]


def _lost(session: Session) -> Sequence[UUID]:
    query = select(JobRow.id).where(JobRow.state == JobState.RUNNING, col(JobRow.lease_until) < now())
    return session.exec(query.order_by(col(JobRow.lease_until)).limit(LOST_AT_ONCE)).all()


def _take_back(session: Session, job_id: UUID) -> None:
    """Queue a job again whose lease has expired, or end it when it was cancelled or its attempts are used."""
    query = select(JobRow).where(JobRow.id == job_id, JobRow.state == JobState.RUNNING, col(JobRow.lease_until) < now())
    row = session.exec(query.with_for_update(skip_locked=True)).one_or_none()
    if row is None:
        return
    follow_up = None
    try:
        if row.cancel_requested:
            follow_up = stop(row)
        elif row.attempts >= row.max_attempts:
            follow_up = give_up(row, f"the worker was lost {row.attempts} times; look at its log and memory")
        else:
            row.state, row.notified_at, row.lease_until, row.worker = JobState.QUEUED, None, None, None
    except UnreadableJob as error:
        session.refresh(row)
        put_off(session, job_id, error.message)
        log.warning("job_put_off", job_id=str(job_id), job=row.name, reason=error)
        return
    session.add(row)
    if follow_up is not None:
        enqueue(session, follow_up, agency_id=row.agency_id, client_id=row.client_id)


LOST_JOBS = Duty("lost jobs", _lost, _take_back)
"""Jobs whose worker has gone silent."""

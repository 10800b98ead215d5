"""From committed row to notified worker: enqueue in the caller's transaction, notify after it."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, SQLColumnExpression, Text, cast, func
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select, update

from tuneloop.kit.db import Database
from tuneloop.kit.jobs.duties import Duty
from tuneloop.kit.jobs.job import Job, Queue, UnreadableJob
from tuneloop.kit.jobs.lease import give_up, is_lost, put_off, queue_again, stop
from tuneloop.kit.jobs.table import JobRow, JobState
from tuneloop.kit.jobs.turns import turns
from tuneloop.kit.tenancy import ClientOwned

log = structlog.get_logger(__name__)

CHANNEL = "tuneloop_jobs"
LOST_AT_ONCE = 100
MOST_MESSAGES = 64

Notify = Callable[[Queue, int], int]
"""See to it that this many messages wait in the broker's queue; returns how many were added."""


def enqueue(
    session: Session,
    job: Job,
    *,
    agency_id: UUID,
    client_id: UUID | None = None,
    dedupe_key: str | None = None,
    delay: timedelta = timedelta(),
    until: datetime | None = None,
) -> UUID | None:
    """Add a job to the caller's transaction; None when a live job with the same `dedupe_key` exists already.

    `until` is how long it is tried again while something that it needs is away, instead of the job's own patience.
    """
    row = JobRow(
        agency_id=agency_id,
        client_id=client_id,
        name=job.name,
        queue=job.queue,
        args=job.model_dump(mode="json"),
        dedupe_key=dedupe_key,
        max_attempts=job.max_attempts,
    )
    moment = func.clock_timestamp()
    times = {"created_at": moment, "run_after": moment + delay, "give_up_at": until or moment + delay + job.patience}
    statement = (
        insert(JobRow)
        .values(**{name: getattr(row, name) for name in JobRow.model_fields} | times)
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
    session.execute(
        update(JobRow)
        .where(col(JobRow.id) == row.id)
        .values(run_after=func.least(JobRow.run_after, func.clock_timestamp()))
    )
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


def notify_due(database: Database, notify: Notify, *, per_agency: int | None = None) -> int:
    """Have a message wait for every job that a worker could take now; returns how many were added.

    A message names no job: whoever gets it takes the queue's next one, and asks for another message when it is done.
    So a broker never holds more than `MOST_MESSAGES` of a queue, and one that lost them is told again by the next call.
    No transaction is open while the broker is asked.
    """
    with database.all_agencies() as session:
        wanted = {queue: sum(turn.due for turn in turns(session, queue, per_agency=per_agency)) for queue in Queue}
    return sum(notify(queue, min(number, MOST_MESSAGES)) for queue, number in wanted.items() if number)


def _lost(session: Session) -> Sequence[UUID]:
    query = select(JobRow.id).where(is_lost())
    return session.exec(query.order_by(col(JobRow.lease_until)).limit(LOST_AT_ONCE)).all()


def _take_back(session: Session, job_id: UUID) -> None:
    """Queue a job again whose lease has expired, or end it when it was cancelled or its attempts are used."""
    query = select(JobRow).where(JobRow.id == job_id, is_lost())
    row = session.exec(query.with_for_update(skip_locked=True)).one_or_none()
    if row is None:
        return
    follow_up = None
    try:
        if row.cancel_requested:
            follow_up = stop(session, row)
        elif row.attempts >= row.max_attempts:
            follow_up = give_up(session, row, f"the worker was lost {row.attempts} times; look at its log and memory")
        else:
            queue_again(session, row)
    except UnreadableJob as error:
        put_off(session, job_id, error.message)
        log.warning("job_put_off", job_id=str(job_id), job=row.name, reason=error)
        return
    if follow_up is not None:
        enqueue(session, follow_up, agency_id=row.agency_id, client_id=row.client_id)


LOST_JOBS = Duty("lost jobs", _lost, _take_back)
"""Jobs whose worker has gone silent."""

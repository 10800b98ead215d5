"""Who works on a job: claim with a fencing token, heartbeat, finish. A stale token changes nothing.

Leases and due times are by the database's clock alone: a process whose own is wrong neither loses nor takes a job.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, update
from sqlmodel import Session, col, select

from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, NotFound
from tuneloop.kit.jobs.hold import put_off_held
from tuneloop.kit.jobs.job import Job, Queue, UnreadableJob
from tuneloop.kit.jobs.retries import back_off
from tuneloop.kit.jobs.table import JobRow, JobState
from tuneloop.kit.jobs.turns import one_at_a_time, turns

LEASE = timedelta(seconds=20)
PUT_OFF = timedelta(minutes=10)


class Claim(NamedTuple):
    """`since` tells it from a claim with the same token, made after a standby took over that had not heard of this."""

    job_id: UUID
    agency_id: UUID
    client_id: UUID | None
    job: Job
    token: int
    attempt: int
    since: datetime


class LostLease(RuntimeError):
    """Another worker has taken the job over, or it was cancelled: write nothing more."""


def claim_next(session: Session, queue: Queue, *, worker: str, per_agency: int | None = None) -> Claim | None:
    """Take the queue's next due job, each agency in its turn; None when nobody may have one run now.

    Raises:
        UnreadableJob: this process cannot tell what it is; the error names the job.
    """
    one_at_a_time(session, queue)
    put_off_held(session, queue)
    for turn in turns(session, queue, per_agency=per_agency):
        query = select(JobRow.id).where(
            JobRow.queue == queue, JobRow.agency_id == turn.agency_id, JobRow.state == JobState.QUEUED, is_due()
        )
        job_id = session.exec(query.order_by(col(JobRow.run_after)).limit(1).with_for_update(skip_locked=True)).first()
        if job_id is not None and (taken := claim(session, job_id, worker=worker)):
            return taken
    return None


def claim(session: Session, job_id: UUID, *, worker: str) -> Claim | None:
    """Take a job if it is due; None when it is taken, done, or not due.

    Raises:
        UnreadableJob: this process cannot tell what it is; the error names the job.
    """
    moment = func.clock_timestamp()
    row = session.scalars(
        update(JobRow)
        .where(col(JobRow.id) == job_id, col(JobRow.state) == JobState.QUEUED, is_due())
        .values(
            state=JobState.RUNNING,
            attempts=JobRow.attempts + 1,
            fencing_token=JobRow.fencing_token + 1,
            lease_until=moment + LEASE,
            worker=worker,
            started_at=moment,
        )
        .returning(JobRow)
        .execution_options(synchronize_session=False, populate_existing=True)
    ).one_or_none()
    if row is None:
        return None
    try:
        job = Job.read(row.name, row.args)
    except UnreadableJob as error:
        raise UnreadableJob(error.message, job_id=str(row.id)) from error
    assert row.started_at is not None
    return Claim(row.id, row.agency_id, row.client_id, job, row.fencing_token, row.attempts, row.started_at)


def is_due() -> ColumnElement[bool]:
    return col(JobRow.run_after) <= func.clock_timestamp()


def is_lost() -> ColumnElement[bool]:
    """Condition: the worker has not been heard of for a whole lease."""
    return and_(col(JobRow.state) == JobState.RUNNING, col(JobRow.lease_until) < func.clock_timestamp())


def beat(session: Session, held: Claim, progress: dict[str, Any] | None = None) -> bool:
    """Extend the lease and publish progress; returns whether somebody asked to cancel.

    Raises:
        LostLease: the job is no longer ours.
    """
    values: dict[str, Any] = {"lease_until": func.clock_timestamp() + LEASE}
    if progress is not None:
        values["progress"] = progress
    cancelled = session.scalars(
        update(JobRow)
        .where(*_ours(held))
        .values(**values)
        .returning(col(JobRow.cancel_requested))
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if cancelled is None:
        raise LostLease(str(held.job_id))
    return bool(cancelled)


def fence(session: Session, held: Claim) -> JobRow:
    """Lock the job row for the rest of the transaction, so that its writes count only while the job is ours.

    Raises:
        LostLease: the job is no longer ours.
    """
    row = _locked(session, *_ours(held))
    if row is None:
        raise LostLease(str(held.job_id))
    return row


def finish(session: Session, held: Claim) -> None:
    row = fence(session, held)
    row.error = None
    end(session, row, JobState.SUCCEEDED)


def wait(session: Session, held: Claim, reason: str, *, at_least: timedelta = timedelta()) -> Job | None:
    """Something that the job needs is away: try again with back-off, at no attempt's cost, until its patience ends.

    Returns:
        The follow-up job to enqueue, if the job is dead and has one.
    """
    row = fence(session, held)
    if row.cancel_requested:
        return stop(session, row)
    if row.give_up_at is not None and row.give_up_at <= now():
        return give_up(session, row, f"{reason}; given up after {row.setbacks + 1} tries")
    row.attempts -= 1
    row.setbacks += 1
    row.error = reason
    queue_again(session, row, after=max(back_off(row.setbacks), at_least))
    return None


def fail(session: Session, held: Claim, reason: str, *, retry: bool) -> Job | None:
    """Record a failure: queue again with back-off when `retry` and attempts are left, else give up.

    Returns:
        The follow-up job to enqueue, if the job is dead and has one.
    """
    row = fence(session, held)
    if row.cancel_requested:
        return stop(session, row)
    if retry and row.attempts < row.max_attempts:
        row.error = reason
        queue_again(session, row, after=back_off(row.attempts))
        return None
    return give_up(session, row, reason)


def release(session: Session, held: Claim) -> None:
    """Queue a job again whose worker is shutting down; it costs no attempt."""
    row = fence(session, held)
    row.attempts -= 1
    queue_again(session, row)


def queue_again(session: Session, row: JobRow, *, after: timedelta = timedelta()) -> None:
    """Hand a running job to whoever takes it next; without `after` it keeps its place in the queue."""
    row.state, row.lease_until, row.worker = JobState.QUEUED, None, None
    session.add(row)
    if after > timedelta():
        _set(session, row, run_after=func.clock_timestamp() + after)


def give_up(session: Session, row: JobRow, reason: str) -> Job | None:
    """Mark a job as failed for good; returns its follow-up.

    Raises:
        UnreadableJob: nothing was changed.
    """
    follow_up = Job.read(row.name, row.args).if_dead(reason)
    row.error = reason
    end(session, row, JobState.FAILED)
    return follow_up


def stop(session: Session, row: JobRow) -> Job | None:
    """Mark a job as cancelled; returns its follow-up.

    Raises:
        UnreadableJob: nothing was changed.
    """
    follow_up = Job.read(row.name, row.args).if_dead("cancelled")
    row.error = "cancelled"
    end(session, row, JobState.CANCELLED)
    return follow_up


def end(session: Session, row: JobRow, state: JobState) -> None:
    row.state, row.lease_until = state, None
    session.add(row)
    _set(session, row, finished_at=func.clock_timestamp())


def put_off(session: Session, job_id: UUID, reason: str) -> None:
    """Leave a live job alone for `PUT_OFF`, with the reason where people look: another process may know it."""
    row = _locked(session, col(JobRow.id) == job_id, col(JobRow.state).in_([JobState.QUEUED, JobState.RUNNING]))
    if row is None:
        return
    row.error = reason
    session.add(row)
    later = func.clock_timestamp() + PUT_OFF
    if row.state == JobState.QUEUED:
        _set(session, row, run_after=later)
    else:
        _set(session, row, lease_until=later)


def cancel(session: Session, job_id: UUID) -> Job | None:
    """Ask a job to stop: a queued one stops at once, a running one at its next heartbeat.

    Returns:
        The follow-up job to enqueue, if the job stopped at once and has one.
    """
    row = _locked(session, col(JobRow.id) == job_id)
    if row is None:
        raise NotFound("job", job_id)
    if row.state not in (JobState.QUEUED, JobState.RUNNING):
        raise Conflict(f"job {job_id} is already {row.state}", job_id=str(job_id))
    row.cancel_requested = True
    session.add(row)
    if row.state == JobState.RUNNING:
        return None
    try:
        return stop(session, row)
    except UnreadableJob:
        row.error = "cancelled"
        end(session, row, JobState.CANCELLED)
        return None


def _locked(session: Session, *conditions: Any) -> JobRow | None:
    """The row as it is once the lock is ours, also when the session has read it before."""
    query = select(JobRow).where(*conditions).with_for_update().execution_options(populate_existing=True)
    return session.exec(query).one_or_none()


def _ours(held: Claim) -> tuple[Any, ...]:
    return (
        col(JobRow.id) == held.job_id,
        col(JobRow.state) == JobState.RUNNING,
        col(JobRow.fencing_token) == held.token,
        col(JobRow.started_at) == held.since,
    )


def _set(session: Session, row: JobRow, **moments: ColumnElement[Any]) -> None:
    """Give times of the row values that only the database knows."""
    session.flush()
    session.execute(
        update(JobRow).where(col(JobRow.id) == row.id).values(**moments).execution_options(synchronize_session=False)
    )
    session.refresh(row, list(moments))

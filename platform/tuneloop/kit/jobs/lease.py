"""Who works on a job: claim with a fencing token, heartbeat, finish. A stale token changes nothing."""

from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import and_, or_, update
from sqlmodel import Session, col, select

from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, NotFound
from tuneloop.kit.jobs.job import Job, UnreadableJob
from tuneloop.kit.jobs.table import JobRow, JobState

LEASE = timedelta(seconds=20)
PUT_OFF = timedelta(minutes=10)


class Claim(NamedTuple):
    job_id: UUID
    agency_id: UUID
    client_id: UUID | None
    job: Job
    token: int
    attempt: int


class LostLease(RuntimeError):
    """Another worker has taken the job over, or it was cancelled: write nothing more."""


def claim(session: Session, job_id: UUID, *, worker: str) -> Claim | None:
    """Take a due job; None when it is taken, done, or not due.

    Raises:
        UnreadableJob: this process cannot tell what it is.
    """
    moment = now()
    free = and_(col(JobRow.state) == JobState.QUEUED, col(JobRow.run_after) <= moment)
    lost = and_(
        col(JobRow.state) == JobState.RUNNING,
        col(JobRow.lease_until) < moment,
        col(JobRow.attempts) < col(JobRow.max_attempts),
        ~col(JobRow.cancel_requested),
    )
    row = session.scalars(
        update(JobRow)
        .where(col(JobRow.id) == job_id, or_(free, lost))
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
    return Claim(row.id, row.agency_id, row.client_id, Job.read(row.name, row.args), row.fencing_token, row.attempts)


def beat(session: Session, held: Claim, progress: dict[str, Any] | None = None) -> bool:
    """Extend the lease and publish progress; returns whether somebody asked to cancel.

    Raises:
        LostLease: the job is no longer ours.
    """
    values: dict[str, Any] = {"lease_until": now() + LEASE}
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
    row.state, row.finished_at, row.error, row.lease_until = JobState.SUCCEEDED, now(), None, None
    session.add(row)


def fail(session: Session, held: Claim, reason: str, *, retry: bool) -> Job | None:
    """Record a failure: queue again with back-off when `retry` and attempts are left, else give up.

    Returns:
        The follow-up job to enqueue, if the job is dead and has one.
    """
    row = fence(session, held)
    session.add(row)
    if row.cancel_requested:
        return stop(row)
    if retry and row.attempts < row.max_attempts:
        row.state, row.notified_at, row.error = JobState.QUEUED, None, reason
        row.run_after = now() + timedelta(seconds=2**row.attempts)
        return None
    return give_up(row, reason)


def release(session: Session, held: Claim) -> None:
    """Queue a job again whose worker is shutting down; it costs no attempt."""
    row = fence(session, held)
    row.state, row.notified_at, row.lease_until, row.worker = JobState.QUEUED, None, None, None
    row.attempts -= 1
    session.add(row)


def give_up(row: JobRow, reason: str) -> Job | None:
    """Mark a job as failed for good; returns its follow-up."""
    row.state, row.finished_at, row.error = JobState.FAILED, now(), reason
    return Job.read(row.name, row.args).if_dead(reason)


def stop(row: JobRow) -> Job | None:
    """Mark a job as cancelled; returns its follow-up."""
    row.state, row.finished_at, row.error = JobState.CANCELLED, now(), "cancelled"
    return Job.read(row.name, row.args).if_dead("cancelled")


def put_off(session: Session, job_id: UUID, reason: str) -> None:
    """Leave a live job alone for `PUT_OFF`, with the reason where people look: another process may know it."""
    row = _locked(session, col(JobRow.id) == job_id, col(JobRow.state).in_([JobState.QUEUED, JobState.RUNNING]))
    if row is None:
        return
    later = now() + PUT_OFF
    row.error = reason
    if row.state == JobState.QUEUED:
        row.run_after = later
    else:
        row.lease_until = later
    session.add(row)


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
        return stop(row)
    except UnreadableJob:
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
    )

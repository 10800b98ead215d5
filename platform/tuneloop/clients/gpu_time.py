"""How long a client's work has kept a GPU."""

from uuid import UUID

from sqlalchemy import func
from sqlmodel import Session, col, select

from tuneloop.clients.months import TimeSpan
from tuneloop.kit.jobs import JobRow, Queue


def gpu_seconds(session: Session, client_id: UUID, span: TimeSpan) -> int:
    """Whole per job, and where the job ended, so that spans that join add up."""
    seconds = func.ceil(func.extract("epoch", col(JobRow.finished_at) - col(JobRow.started_at)))
    query = select(func.coalesce(func.sum(seconds), 0)).where(
        JobRow.client_id == client_id,
        JobRow.queue == Queue.GPU,
        col(JobRow.started_at).is_not(None),
        col(JobRow.finished_at) >= span.start,
        col(JobRow.finished_at) < span.end,
    )
    return int(session.exec(query).one())


def whole_minutes(seconds: int) -> int:
    return -(-seconds // 60)

"""A job as its agency sees it: state, progress, failure."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlmodel import select

from tuneloop.kit.errors import NotFound
from tuneloop.kit.jobs.table import JobRow, JobState
from tuneloop.kit.tenancy import TenantSession


class JobRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    title: str
    queue: str
    state: JobState
    attempts: int
    progress: dict[str, Any]
    error: str | None
    setbacks: int
    next_try_at: datetime | None
    give_up_at: datetime | None
    cancel_requested: bool
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


def find_job(session: TenantSession, job_id: UUID) -> JobRow:
    row = session.exec(select(JobRow).where(JobRow.id == job_id)).one_or_none()
    if row is None:
        raise NotFound("job", job_id)
    return row

"""HTTP: watch and cancel jobs."""

from datetime import datetime
from typing import Any
from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from pydantic import BaseModel, ConfigDict
from sqlmodel import col, select

from tuneloop.audit.service import record
from tuneloop.identity.principal import Principal
from tuneloop.kit.errors import NotFound
from tuneloop.kit.jobs import JobRow, JobState, cancel, enqueue
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Role


class JobRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    queue: str
    state: JobState
    attempts: int
    progress: dict[str, Any]
    error: str | None
    cancel_requested: bool
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


def find_job(session: TenantSession, job_id: UUID) -> JobRow:
    row = session.exec(select(JobRow).where(JobRow.id == job_id)).one_or_none()
    if row is None:
        raise NotFound("job", job_id)
    return row


def cancel_job(session: TenantSession, *, principal: Principal, job_id: UUID) -> JobRow:
    follow_up = cancel(session, job_id)
    row = find_job(session, job_id)
    if follow_up is not None:
        enqueue(session, follow_up, agency_id=principal.agency_id, client_id=row.client_id)
    record(session, principal, "job.cancel", "job", job_id, client_id=row.client_id, name=row.name)
    return row


class JobController(Controller):
    path = "/api/v1/jobs"
    tags = ("jobs",)

    @get(role=Role.VIEWER, sync_to_thread=True)
    def index(self, session: NamedDependency[TenantSession], limit: FromQuery[int] = 50) -> list[JobRead]:
        """Newest jobs first."""
        query = select(JobRow).order_by(col(JobRow.created_at).desc()).limit(max(1, min(limit, 500)))
        return [JobRead.model_validate(row) for row in session.exec(query)]

    @get("/{job_id:uuid}", role=Role.VIEWER, sync_to_thread=True)
    def read(self, session: NamedDependency[TenantSession], job_id: FromPath[UUID]) -> JobRead:
        """One job with its progress."""
        return JobRead.model_validate(find_job(session, job_id))

    @post("/{job_id:uuid}/cancel", role=Role.OPERATOR, sync_to_thread=True)
    def cancel(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        job_id: FromPath[UUID],
    ) -> JobRead:
        """Stop a job: at once when queued, at its next heartbeat when running."""
        return JobRead.model_validate(cancel_job(session, principal=principal, job_id=job_id))

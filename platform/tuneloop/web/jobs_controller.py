"""HTTP: watch and cancel jobs."""

from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlmodel import col, select

from tuneloop.audit.service import record
from tuneloop.kit.jobs import JobRow, cancel, enqueue
from tuneloop.kit.jobs.reading import JobRead, find_job
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Role


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

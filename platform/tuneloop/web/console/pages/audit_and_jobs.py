"""The audit log, and jobs."""

from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from sqlmodel import col, select

from tuneloop.audit.service import events
from tuneloop.identity.request import HttpRequest, settings_of
from tuneloop.kit.disk import disk_of
from tuneloop.kit.jobs import JobRow, JobState
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Client, Role
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.render import page
from tuneloop.web.jobs_controller import cancel_job

STEP = 100
MOST = 2000
JOBS = 100


class AuditPage(Controller):
    path = "/audit"
    include_in_schema = False

    @get(role=Role.OPERATOR, sync_to_thread=True)
    def index(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        subject_kind: FromQuery[str] = "",
        subject_id: FromQuery[str] = "",
        limit: FromQuery[int] = STEP,
    ) -> Response[str]:
        shown = max(1, min(limit, MOST))
        found = events(session, subject_kind=subject_kind or None, subject_id=subject_id or None, limit=shown + 1)
        return page(
            request,
            "audit.html",
            events=found[:shown],
            more=min(shown + STEP, MOST) if len(found) > shown and shown < MOST else None,
            subject_kind=subject_kind,
            subject_id=subject_id,
            clients={client.id: client.name for client in session.exec(select(Client))},
        )


class JobsPage(Controller):
    path = "/jobs"
    include_in_schema = False

    @get(role=Role.VIEWER, sync_to_thread=True)
    def index(
        self, request: HttpRequest, session: NamedDependency[TenantSession], principal: NamedDependency[Principal]
    ) -> Response[str]:
        disk = disk_of(settings_of(request).data_dir) if principal.may(Role.ADMIN) else None
        rows = session.exec(select(JobRow).order_by(col(JobRow.created_at).desc()).limit(JOBS)).all()
        return page(
            request,
            "jobs.html",
            jobs=rows,
            disk=disk,
            live={JobState.QUEUED, JobState.RUNNING},
            clients={client.id: client.name for client in session.exec(select(Client))},
        )

    @post("/{job_id:uuid}/cancel", role=Role.OPERATOR, sync_to_thread=True)
    def cancel(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        job_id: FromPath[UUID],
    ) -> Redirect:
        row = cancel_job(session, principal=principal, job_id=job_id)
        return back_to("/jobs", f"Stopped, or about to stop: {row.title}.")

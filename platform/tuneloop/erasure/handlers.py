"""Count and erase. All rows change in one transaction; files go after it, and are named in the request until then."""

from typing import Any
from uuid import UUID

from tuneloop.audit.service import record
from tuneloop.erasure.client import count_client, erase_client
from tuneloop.erasure.erase import Erased, count_texts, erase_texts
from tuneloop.erasure.files import delete_unnamed, delete_workspaces, idle_jobs
from tuneloop.erasure.jobs import SweepWorkspaces, WorkErasure
from tuneloop.erasure.service import find_erasure
from tuneloop.kit.clock import now
from tuneloop.kit.jobs import enqueue, fence
from tuneloop.kit.jobs.runtime import JobContext, handles
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Erasure, ErasureKind, ErasureState
from tuneloop_reports.jobs import RenderReport


@handles(WorkErasure)
def work_erasure(context: JobContext, job: WorkErasure) -> None:
    with context.reading() as session:
        request = find_erasure(session, job.erasure_id)
    if request.state is ErasureState.COUNTING:
        _count(context, job)
    elif request.state is ErasureState.ERASING:
        if not request.leftover:
            context.report(stage="erasing rows")
            request = _erase(context, job)
        context.report(stage="deleting files")
        _finish(context, job, request)


@handles(SweepWorkspaces)
def sweep_workspaces(context: JobContext, job: SweepWorkspaces) -> None:
    delete_workspaces(context.workspace_path.parent, job.job_ids)


def _count(context: JobContext, job: WorkErasure) -> None:
    with context.reading() as session:
        request = find_erasure(session, job.erasure_id)
        whole = request.kind is ErasureKind.CLIENT
        counted = count_client(session, request) if whole else count_texts(session, request)
    with context.unit() as session:
        request = find_erasure(session, job.erasure_id)
        if request.state is ErasureState.COUNTING:
            request.found, request.versions, request.state = counted.counts, counted.versions, ErasureState.READY
            session.add(request)


def _erase(context: JobContext, job: WorkErasure) -> Erasure:
    """The job's own row is locked at the end only: until then its lease must be renewed."""
    with context.reading() as session:
        request = find_erasure(session, job.erasure_id)
        jobs = idle_jobs(session, request)
        whole = request.kind is ErasureKind.CLIENT
        done = erase_client(session, request) if whole else erase_texts(session, request)
        _keep(session, request, done, jobs)
        fence(session, context.held)
    return request


def _keep(session: TenantSession, request: Erasure, done: Erased, jobs: list[UUID]) -> None:
    request.erased = dict(sorted(done.counts.items()))
    request.versions = done.versions
    request.leftover = {"files": done.files, "jobs": [str(each) for each in jobs]}
    session.add(request)
    session.flush()
    for report_id in done.reports:
        enqueue(
            session, RenderReport(report_id=report_id), agency_id=request.agency_id, dedupe_key=f"render:{report_id}"
        )
    if jobs:
        enqueue(session, SweepWorkspaces(job_ids=jobs), agency_id=request.agency_id)


def _finish(context: JobContext, job: WorkErasure, request: Erasure) -> None:
    gone: dict[str, Any] = {
        "files": delete_unnamed(context.database, context.storage, request.leftover.get("files", [])),
        "folders of jobs": delete_workspaces(
            context.workspace_path.parent, [UUID(each) for each in request.leftover.get("jobs", [])]
        ),
    }
    with context.unit() as session:
        request = find_erasure(session, job.erasure_id)
        request.erased = request.erased | {name: n for name, n in gone.items() if n}
        request.state, request.target, request.leftover, request.finished_at = ErasureState.DONE, None, {}, now()
        session.add(request)
        record(
            session,
            context.principal,
            "erasure.done",
            "erasure",
            request.id,
            client_id=request.client_id,
            kind=request.kind,
            erased=request.erased,
            versions=request.versions,
        )

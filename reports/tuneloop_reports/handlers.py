"""Render reports and send them. The renderer is a process of its own that outlives the job."""

from functools import cache

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col

from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs.runtime import JobContext, handles
from tuneloop.tables import Report, ReportFile, ReportSnapshot, ReportState
from tuneloop_reports.content import ReportContent
from tuneloop_reports.delivery import send_out
from tuneloop_reports.jobs import DeliverReport, RenderReport
from tuneloop_reports.render.renderer import Renderer
from tuneloop_reports.service import file_of


@cache
def renderer() -> Renderer:
    return Renderer()


@handles(RenderReport)
def render_report(context: JobContext, job: RenderReport) -> None:
    with context.reading() as session:
        report = session.get_one(Report, job.report_id)
        snapshot = session.get_one(ReportSnapshot, report.snapshot_id)
        if file_of(session, report) is not None:
            return
    render(context, snapshot)


@handles(DeliverReport)
def deliver_report(context: JobContext, job: DeliverReport) -> None:
    with context.reading() as session:
        report = session.get_one(Report, job.report_id)
        snapshot = session.get_one(ReportSnapshot, report.snapshot_id)
        rendered = file_of(session, report) is not None
    if report.state is not ReportState.APPROVED:
        return
    if not rendered:
        render(context, snapshot)
    with context.unit() as session:
        report = session.get_one(Report, job.report_id)
        file = file_of(session, report)
        assert file is not None
        send_out(session, report=report, file=file, settings=context.settings)


def render(context: JobContext, snapshot: ReportSnapshot) -> None:
    """Make and keep the PDF of a snapshot; made twice, it is the same file."""
    content = ReportContent.model_validate(snapshot.content)
    logo = context.storage.read(content.style.logo) if content.style.logo else None
    made = renderer().render(content, logo=logo)
    sha256 = context.storage.put_bytes(made.pdf)
    with context.unit() as session:
        _keep(session, snapshot, sha256, len(made.pdf), made.pages, made.seconds)


def _keep(session: Session, snapshot: ReportSnapshot, sha256: str, size: int, pages: int, seconds: float) -> None:
    row = ReportFile(
        id=new_id(),
        agency_id=snapshot.agency_id,
        client_id=snapshot.client_id,
        snapshot_id=snapshot.id,
        sha256=sha256,
        size=size,
        pages=pages,
        seconds=seconds,
    )
    values = {name: getattr(row, name) for name in ReportFile.model_fields}
    session.execute(
        insert(ReportFile)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["snapshot_id"])
        .returning(col(ReportFile.id))
    )

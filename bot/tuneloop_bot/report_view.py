"""A report as its message shows it."""

from collections.abc import Iterator
from datetime import datetime

from sqlmodel import Session, col, or_, select

from tuneloop.kit.clock import now
from tuneloop.tables import Client, Report, ReportState
from tuneloop_bot.blocks.reports import ReportView
from tuneloop_reports.service import content_of, digest_of, recipients


def report_view(session: Session, report: Report, site: str) -> ReportView:
    client = session.get_one(Client, report.client_id)
    return ReportView(
        id=report.id,
        client=client.name,
        month=report.month,
        url=f"{site}/reports/{client.slug}/{report.month}/view",
        state=report.state,
        digest=digest_of(session, report),
        note=content_of(session, report).note,
        recipients=[each.address.email for each in recipients(session, report)],
        approved_by=report.approved_by,
        approved_at=report.approved_at,
        delivered_at=report.delivered_at,
    )


def ready_reports(session: Session, *, since: datetime) -> Iterator[Report]:
    """Drafts of months that are over, and those sent since then."""
    changed = or_(
        col(Report.state) == ReportState.DRAFT, col(Report.approved_at) > since, col(Report.delivered_at) > since
    )
    for report in session.exec(select(Report).where(changed)):
        if content_of(session, report).end <= now():
            yield report

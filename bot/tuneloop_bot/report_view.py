"""A report as its message shows it."""

from collections.abc import Iterator
from datetime import datetime

from sqlmodel import Session, col, or_, select

from tuneloop.kit.clock import now
from tuneloop.tables import Client, Report, ReportState
from tuneloop_bot.blocks.reports import ReportView
from tuneloop_reports.service import digest_of, list_reports, recipients, report_content


def report_view(session: Session, report: Report, site: str) -> ReportView:
    client = session.get_one(Client, report.client_id)
    content = report_content(session, report)
    return ReportView(
        id=report.id,
        client=client.name,
        month=report.month,
        url=f"{site}/reports/{client.slug}/{report.month}/view",
        state=report.state,
        over=content.end <= now(),
        digest=digest_of(session, report),
        note=content.note,
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
        if report_content(session, report).end <= now():
            yield report


def reports_asked_for(session: Session, *, client: str | None, month: str | None) -> list[Report]:
    """Of that month, else of each client's last month that is over, else its newest."""
    chosen: dict[str, Report] = {}
    for report, owner in list_reports(session):
        if client not in (None, owner.slug) or month not in (None, report.month):
            continue
        known = chosen.get(owner.slug)
        if known is None or (report_content(session, known).end > now() >= report_content(session, report).end):
            chosen[owner.slug] = report
    return list(chosen.values())


def waiting_reports(session: Session) -> list[Report]:
    """Drafts that could be sent now, oldest month first."""
    drafts = select(Report).where(Report.state == ReportState.DRAFT).order_by(col(Report.month))
    return [report for report in session.exec(drafts) if report_content(session, report).end <= now()]

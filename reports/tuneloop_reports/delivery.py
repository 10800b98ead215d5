"""The mail of an approved report: queued in one transaction with the report's last step, so once."""

from sqlmodel import Session, select

from tuneloop.audit.service import record
from tuneloop.email.senders import address_for
from tuneloop.email.service import queue_mail, unsubscribe_token
from tuneloop.kit.clock import now
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.tables import Report, ReportFile, ReportSnapshot, ReportState
from tuneloop_reports.email import write_email
from tuneloop_reports.links import new_link
from tuneloop_reports.service import recipients, report_content


def send_out(session: Session, *, report: Report, file: ReportFile, settings: Settings) -> None:
    """Queue a mail to every recipient and mark the report as delivered; a delivered one is left alone."""
    locked = session.exec(
        select(Report).where(Report.id == report.id).with_for_update().execution_options(populate_existing=True)
    ).one()
    if locked.state is not ReportState.APPROVED:
        return
    content = report_content(session, locked)
    sender, reply_to = address_for(
        session, locked.client_id, settings=settings, name=content.style.brand or content.agency
    )
    for recipient in recipients(session, locked):
        link = new_link(session, report=locked, created_by="reports", days=content.style.link_days)
        token = unsubscribe_token() if recipient.may_leave else None
        queue_mail(
            session,
            agency_id=locked.agency_id,
            client_id=locked.client_id,
            dedupe_key=f"report:{locked.id}:{recipient.address.email.lower()}",
            subject=("report", locked.id),
            sender=sender,
            reply_to=reply_to,
            recipient=recipient.address,
            content=write_email(
                content,
                name=recipient.address.name,
                address=f"{settings.site_url}/r/{link.token}",
                expires_at=link.row.expires_at,
                pdf_sha256=file.sha256,
                unsubscribe_token=token,
                unsubscribe_address=f"{settings.site_url}/mail/unsubscribe/{token}" if token else None,
            ),
            settings=settings,
        )
    locked.state, locked.delivered_at = ReportState.DELIVERED, now()
    session.add(locked)
    actor = Principal.system(locked.agency_id, "reports")
    digest = session.get_one(ReportSnapshot, locked.snapshot_id).digest
    record(session, actor, "report.deliver", "report", locked.id, client_id=locked.client_id, digest=digest)

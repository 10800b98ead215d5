"""A client's rows of reports and mail."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tuneloop.identity.secrets import new_token
from tuneloop.kit.clock import now
from tuneloop.kit.tenancy import Row
from tuneloop.tables import (
    Agency,
    BlockReason,
    Client,
    Mail,
    MailAttempt,
    MailBlock,
    MailSender,
    Report,
    ReportFile,
    ReportLink,
    ReportSnapshot,
    ReportStyle,
)
from tuneloop_reports.content import ReportContent
from tuneloop_reports.style import Style


def report_rows(agency: Agency, client: Client) -> list[Row]:
    """One row of each table, in the order in which they can be inserted."""
    mine: dict[str, Any] = {"agency_id": agency.id, "client_id": client.id}
    content = ReportContent(
        agency=agency.name,
        client=client.name,
        client_slug=client.slug,
        month="2026-01",
        start=datetime(2026, 1, 1, tzinfo=UTC),
        end=datetime(2026, 2, 1, tzinfo=UTC),
        time_zone="UTC",
        plan=client.plan,
        models=(),
        style=Style(),
    )
    reported = ReportSnapshot(**mine, month=content.month, digest=content.digest, content=content.stored())
    report = Report(**mine, month="2026-01", snapshot_id=reported.id)
    mail = Mail(
        **mine,
        dedupe_key=f"report:{report.id}",
        subject_kind="report",
        subject_id=str(report.id),
        recipient_email="ann@client.example",
        recipient_name="Ann",
        sender_email="reports@agency.example",
        sender_name="Agency",
        subject="Report",
        text="Attached.",
        html="<p>Attached.</p>",
    )
    return [
        reported,
        report,
        ReportFile(**mine, snapshot_id=reported.id, sha256="4" * 64, size=1, pages=1, seconds=0.1),
        ReportStyle(**mine, values={}),
        ReportLink(
            **mine,
            report_id=report.id,
            token_hash=new_token().digest,
            created_by="Ann",
            expires_at=now() + timedelta(days=1),
        ),
        mail,
        MailAttempt(**mine, mail_id=mail.id, number=1),
        MailSender(**mine, email="reports@agency.example", name="Agency"),
        MailBlock(**mine, email="gone@client.example", reason=BlockReason.BOUNCED),
    ]

"""What the close of a month asks of reports. All of it may be asked again, and answers alike."""

import hmac
from base64 import urlsafe_b64encode
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from sqlmodel import Session

from tuneloop.kit.settings import Settings
from tuneloop.tables import Client, Report, ReportState
from tuneloop_reports.links import keep_link, new_link
from tuneloop_reports.service import deliver, prepare, recipients, report_content


class MonthEnd:
    """Reports of one installation."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def prepare(self, session: Session, *, client: Client, month: str, until: datetime | None = None) -> UUID:
        return prepare(session, client=client, month=month, until=until).id

    def link(self, session: Session, *, report_id: UUID) -> str:
        """For the invoice. Asked again it is the same link, so that the invoice's text stays the same."""
        report = session.get_one(Report, report_id)
        days = report_content(session, report).style.link_days
        secret = self._settings.secret_key.get_secret_value().partition(",")[0].strip()
        if secret:
            seal = hmac.new(secret.encode(), f"report-link:{report.id}".encode(), sha256).digest()
            token = urlsafe_b64encode(seal).rstrip(b"=").decode()
            keep_link(session, report=report, token=token, created_by="invoice", days=days)
        else:
            token = new_link(session, report=report, created_by="invoice", days=days).token
        return f"{self._settings.site_url}/r/{token}"

    def deliver(self, session: Session, *, report_id: UUID) -> bool:
        """False while it waits: for somebody's approval, or for somebody to send it to."""
        report = session.get_one(Report, report_id)
        if report.state is ReportState.DRAFT and not recipients(session, report):
            return False
        return deliver(session, report=report)

"""The reports' side of a month's end."""

from dataclasses import dataclass
from uuid import UUID

from sqlmodel import Session

from tuneloop.tables import Client, Report
from tuneloop_reports.links import new_link
from tuneloop_reports.service import deliver, prepare

LINK_DAYS = 92
"""As long as an invoice may be looked at with its report."""


@dataclass(frozen=True)
class Reports:
    """`site_url` is how clients reach us."""

    site_url: str

    def prepare(self, session: Session, *, client: Client, month: str) -> UUID:
        return prepare(session, client=client, month=month).id

    def link(self, session: Session, *, report_id: UUID) -> str:
        report = session.get_one(Report, report_id)
        made = new_link(session, report=report, created_by="invoice", days=LINK_DAYS)
        return f"{self.site_url}/r/{made.token}"

    def deliver(self, session: Session, *, report_id: UUID) -> bool:
        return deliver(session, report=session.get_one(Report, report_id))

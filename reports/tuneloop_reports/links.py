"""Links to a report for people without an account."""

from datetime import timedelta

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, update

from tuneloop.identity.links import NewLink, share, shared
from tuneloop.identity.secrets import token_digest
from tuneloop.kit.clock import now
from tuneloop.kit.errors import NotFound
from tuneloop.kit.ids import new_id
from tuneloop.tables import Report, ReportLink


def new_link(session: Session, *, report: Report, created_by: str, days: int) -> NewLink[ReportLink]:
    return share(session, ReportLink, created_by=created_by, days=days, client_id=report.client_id, report_id=report.id)


def keep_link(session: Session, *, report: Report, token: str, created_by: str, days: int) -> None:
    """A link whose token the caller made from a secret; it is there once, and one that was revoked stays so."""
    session.execute(
        insert(ReportLink)
        .values(
            id=new_id(),
            agency_id=report.agency_id,
            client_id=report.client_id,
            report_id=report.id,
            token_hash=token_digest(token),
            created_by=created_by,
            created_at=now(),
            expires_at=now() + timedelta(days=days),
            opened=0,
        )
        .on_conflict_do_nothing(index_elements=["token_hash"])
    )


def open_link(session: Session, token: str, *, count: bool = True) -> tuple[ReportLink, Report]:
    """The report behind a token. Needs a session across agencies.

    Raises:
        NotFound: there is no such link, or it has expired or was revoked: all answer alike.
    """
    row = shared(session, ReportLink, token)
    if row is None:
        raise NotFound("report", "behind this link")
    if count:
        row.opened, row.last_opened_at = row.opened + 1, now()
        session.add(row)
    return row, session.get_one(Report, row.report_id)


def revoke_links(session: Session, *, report: Report) -> int:
    """All links to a report stop working; returns how many did."""
    done = session.execute(
        update(ReportLink)
        .where(col(ReportLink.report_id) == report.id, col(ReportLink.revoked_at).is_(None))
        .values(revoked_at=now())
        .returning(col(ReportLink.id))
    )
    return len(done.all())

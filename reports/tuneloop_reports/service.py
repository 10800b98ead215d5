"""The life of a report: prepared as a draft, approved by its digest, delivered once."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.clients.months import Month
from tuneloop.clients.service import find_client
from tuneloop.email.message import Address
from tuneloop.email.service import list_mail
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, InvalidInput, NotFound
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import JobRow, JobState, enqueue, enqueue_once, hurry
from tuneloop.kit.principal import Principal
from tuneloop.tables import Client, Mail, Report, ReportFile, ReportSnapshot, ReportState, Role
from tuneloop_reports.content import ReportContent
from tuneloop_reports.gather.collect import collect
from tuneloop_reports.jobs import DeliverReport, RenderReport
from tuneloop_reports.style_service import style_of


class ReportRecipient(NamedTuple):
    """The first contact always gets the report; the others may unsubscribe."""

    address: Address
    may_leave: bool


def prepare(session: Session, *, client: Client, month: Month | str, until: datetime | None = None) -> Report:
    """The draft of a month with the newest numbers; an approved report stays as it is.

    A month that is closed early ends `until`, also when its draft is brought up to date later.

    Raises:
        InvalidInput: that is not a month, or it has not begun.
    """
    month = Month.parse(month) if isinstance(month, str) else month
    report = _locked(session, client.id, month)
    if report is not None and report.state is not ReportState.DRAFT:
        return report
    known = report_content(session, report) if report else None
    until = until or (known.until if known else None)
    fresh = collect(session, client=client, month=month, style=style_of(session, client.id), until=until)
    if fresh.start > now():
        raise InvalidInput(f"{month} has not begun; prepare an earlier month")
    snapshot = freeze(session, client.id, fresh.model_copy(update={"note": known.note if known else ""}))
    if report is None:
        report = Report(agency_id=client.agency_id, client_id=client.id, month=str(month), snapshot_id=snapshot.id)
    report.snapshot_id = snapshot.id
    session.add(report)
    session.flush()
    _render(session, report)
    return report


def freeze(session: Session, client_id: UUID, content: ReportContent) -> ReportSnapshot:
    """Store content under its digest; the same content is stored once."""
    digest = content.digest
    session.execute(
        insert(ReportSnapshot)
        .values(
            id=new_id(),
            agency_id=session.get_one(Client, client_id).agency_id,
            client_id=client_id,
            month=content.month,
            digest=digest,
            content=content.stored(),
            created_at=now(),
        )
        .on_conflict_do_nothing(index_elements=["client_id", "digest"])
    )
    query = select(ReportSnapshot).where(ReportSnapshot.client_id == client_id, ReportSnapshot.digest == digest)
    return session.exec(query).one()


def set_note(session: Session, *, principal: Principal, report: Report, note: str) -> Report:
    """Give a draft a note from the agency; its numbers stay.

    Raises:
        Conflict: the report is approved already. InvalidInput: the note is too long.
    """
    principal.require(Role.OPERATOR)
    report = _draft(session, report)
    content = report_content(session, report)
    if len(note) > 4000:
        raise InvalidInput(f"the note has {len(note)} characters; at most 4,000 fit")
    snapshot = freeze(
        session, report.client_id, ReportContent.model_validate({**content.stored(), "note": note.strip()})
    )
    report.snapshot_id = snapshot.id
    session.add(report)
    session.flush()
    record(session, principal, "report.note", "report", report.id, client_id=report.client_id, digest=snapshot.digest)
    _render(session, report)
    return report


def approve(session: Session, *, principal: Principal, report: Report, digest: str) -> Report:
    """Approve exactly the content that was looked at, and send it.

    Raises:
        Conflict: it is approved already, or its content has changed since. InvalidInput: nobody would get it, or its
        month is not over.
    """
    principal.require(Role.OPERATOR)
    report = _draft(session, report)
    snapshot = session.get_one(ReportSnapshot, report.snapshot_id)
    if snapshot.digest != digest:
        raise Conflict("the report has changed since you looked at it; look again", digest=snapshot.digest)
    if report_content(session, report).end > now():
        raise InvalidInput(f"{report.month} is not over; approve its report afterwards")
    if not recipients(session, report):
        raise InvalidInput("nobody would get this report; add a contact to the client or a recipient to the style")
    report.state, report.approved_by, report.approved_at = ReportState.APPROVED, principal.name, now()
    session.add(report)
    session.flush()
    record(session, principal, "report.approve", "report", report.id, client_id=report.client_id, digest=digest)
    deliver(session, report=report)
    return report


def deliver(session: Session, *, report: Report) -> bool:
    """Send an approved report, or a draft that needs no approval. False when it waits for somebody's approval.

    Doing it again changes nothing.
    """
    if report.state is ReportState.DELIVERED:
        return True
    if report.state is ReportState.DRAFT:
        snapshot = session.get_one(ReportSnapshot, report.snapshot_id)
        if not report_content(session, report).style.approve_by_itself:
            return False
        approve(session, principal=Principal.system(report.agency_id, "reports"), report=report, digest=snapshot.digest)
        return True
    enqueue(
        session,
        DeliverReport(report_id=report.id),
        agency_id=report.agency_id,
        client_id=report.client_id,
        dedupe_key=f"report.deliver:{report.id}",
    )
    return True


def recipients(session: Session, report: Report) -> list[ReportRecipient]:
    """Each address once: the client's contacts, then those of the style."""
    client = session.get_one(Client, report.client_id)
    style = report_content(session, report).style
    named = [Address(contact["email"], contact["name"]) for contact in client.contacts]
    named += [Address(each.email, each.name) for each in style.further_recipients]
    unique = {address.email.lower(): address for address in reversed(named)}
    ordered = [unique[key] for key in dict.fromkeys(address.email.lower() for address in named)]
    return [ReportRecipient(address, may_leave=place > 0) for place, address in enumerate(ordered)]


def find_report(session: Session, *, client: str, month: str, sent: bool = False) -> Report:
    """With `sent`, only one that was: drafts are the agency's."""
    row = session.exec(
        select(Report).where(Report.client_id == find_client(session, client).id, Report.month == month)
    ).one_or_none()
    if row is None or (sent and row.state is not ReportState.DELIVERED):
        raise NotFound("report", f"{client} {month}")
    return row


def list_reports(session: Session, *, sent: bool = False, limit: int = 200) -> list[tuple[Report, Client]]:
    """Newest month first; with `sent` only those that were."""
    query = select(Report, Client).join(Client, col(Client.id) == Report.client_id)
    query = query.where(Report.state == ReportState.DELIVERED) if sent else query
    return list(session.exec(query.order_by(col(Report.month).desc(), col(Client.slug)).limit(limit)).all())


def report_content(session: Session, report: Report) -> ReportContent:
    return ReportContent.model_validate(session.get_one(ReportSnapshot, report.snapshot_id).content)


def digest_of(session: Session, report: Report) -> str:
    return session.get_one(ReportSnapshot, report.snapshot_id).digest


def file_of(session: Session, report: Report) -> ReportFile | None:
    """The PDF of the present snapshot, once it is rendered."""
    return session.exec(select(ReportFile).where(ReportFile.snapshot_id == report.snapshot_id)).one_or_none()


def problem_of(session: Session, report: Report) -> str | None:
    """Why the PDF is not made, or the report not sent, although that was begun."""
    query = select(JobRow).where(
        col(JobRow.name).in_([RenderReport.name, DeliverReport.name]),
        col(JobRow.args)["report_id"].astext == str(report.id),
    )
    job = session.exec(query.order_by(col(JobRow.created_at).desc()).limit(1)).one_or_none()
    return job.error if job is not None and job.state in (JobState.QUEUED, JobState.FAILED) else None


def mails_of(session: Session, report: Report) -> list[Mail]:
    return list_mail(session, subject=("report", report.id))


def _locked(session: Session, client_id: UUID, month: Month) -> Report | None:
    query = select(Report).where(Report.client_id == client_id, Report.month == str(month)).with_for_update()
    return session.exec(query.execution_options(populate_existing=True)).one_or_none()


def _draft(session: Session, report: Report) -> Report:
    found = _locked(session, report.client_id, Month.parse(report.month))
    assert found is not None
    if found.state is not ReportState.DRAFT:
        raise Conflict(f"the report is {found.state}, approved by {found.approved_by}; it can't be changed any more")
    return found


def _render(session: Session, report: Report) -> None:
    """Have the PDF made, and at once where it waited for something."""
    if file_of(session, report) is not None:
        return
    if enqueue_once(session, RenderReport(report_id=report.id), report.snapshot_id, owner=report) is None:
        hurry(session, RenderReport, report.snapshot_id)

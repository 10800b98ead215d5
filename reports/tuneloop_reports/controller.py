"""HTTP: reports, their style, and links to them."""

from typing import Any

from litestar import Controller, Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, RawBody
from litestar.status_codes import HTTP_200_OK

from tuneloop.clients.service import client_id_of, find_client
from tuneloop.identity.request import HttpRequest, settings_of
from tuneloop.kit.errors import Conflict
from tuneloop.kit.principal import Principal
from tuneloop.kit.storage import Storage
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Client, Report, Role
from tuneloop_reports.csv_export import write_csv
from tuneloop_reports.i18n import Translator
from tuneloop_reports.links import new_link, revoke_links
from tuneloop_reports.schemas import (
    ApproveReport,
    LinksRevoked,
    MailBrief,
    NoteWrite,
    ReportBrief,
    ReportLinkRead,
    ReportRead,
)
from tuneloop_reports.sections import headline
from tuneloop_reports.service import (
    approve,
    digest_of,
    file_of,
    find_report,
    list_reports,
    mails_of,
    prepare,
    problem_of,
    report_content,
    set_note,
)
from tuneloop_reports.style import Style
from tuneloop_reports.style_service import change_logo, change_style, style_of


class ReportController(Controller):
    path = "/api/v1"
    tags = ("reports",)

    @get("/reports", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def index(
        self, session: NamedDependency[TenantSession], principal: NamedDependency[Principal]
    ) -> list[ReportBrief]:
        """Reports of all clients, newest month first; a client's account sees those that were sent."""
        return [_brief(*each) for each in list_reports(session, sent=sees_sent_alone(principal))]

    @post("/clients/{client:str}/reports/{month:str}", role=Role.OPERATOR, sync_to_thread=True)
    def prepare_report(
        self, session: NamedDependency[TenantSession], client: FromPath[str], month: FromPath[str]
    ) -> ReportRead:
        """Draft a month's report, or bring the draft up to date."""
        found = find_client(session, client)
        return _read(session, prepare(session, client=found, month=month), found)

    @get("/clients/{client:str}/reports/{month:str}", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def read(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        month: FromPath[str],
    ) -> ReportRead:
        """A report with everything that it shows."""
        report = find_report(session, client=client, month=month, sent=sees_sent_alone(principal))
        return _read(session, report, find_client(session, client))

    @put("/clients/{client:str}/reports/{month:str}/note", role=Role.OPERATOR, sync_to_thread=True)
    def note(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        month: FromPath[str],
        data: JSONBody[NoteWrite],
    ) -> ReportRead:
        """Give the draft a note to the client; its digest changes."""
        report = find_report(session, client=client, month=month)
        changed = set_note(session, principal=principal, report=report, note=data.note)
        return _read(session, changed, find_client(session, client))

    @post(
        "/clients/{client:str}/reports/{month:str}/approve",
        role=Role.OPERATOR,
        sync_to_thread=True,
        status_code=HTTP_200_OK,
    )
    def approve_report(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        month: FromPath[str],
        data: JSONBody[ApproveReport],
    ) -> ReportRead:
        """Approve exactly this content, and send it."""
        report = find_report(session, client=client, month=month)
        approved = approve(session, principal=principal, report=report, digest=data.digest)
        return _read(session, approved, find_client(session, client))

    @get("/clients/{client:str}/reports/{month:str}/pdf", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def pdf(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        month: FromPath[str],
    ) -> Response[bytes]:
        """The report as PDF."""
        report = find_report(session, client=client, month=month, sent=sees_sent_alone(principal))
        return pdf_answer(session, report, storage_of(request), f"{client}-{report.month}.pdf")

    @get(
        "/clients/{client:str}/reports/{month:str}/csv",
        role=Role.CLIENT_VIEWER,
        sync_to_thread=True,
        media_type="text/csv; charset=utf-8",
    )
    def numbers(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        month: FromPath[str],
    ) -> str:
        """The report's numbers as a table."""
        report = find_report(session, client=client, month=month, sent=sees_sent_alone(principal))
        return write_csv(report_content(session, report))

    @post("/clients/{client:str}/reports/{month:str}/links", role=Role.OPERATOR, sync_to_thread=True)
    def link(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        month: FromPath[str],
    ) -> ReportLinkRead:
        """A new link for reading the report without an account."""
        report = find_report(session, client=client, month=month)
        days = report_content(session, report).style.link_days
        made = new_link(session, report=report, created_by=principal.name, days=days)
        return ReportLinkRead(url=f"{settings_of(request).site_url}/r/{made.token}", expires_at=made.row.expires_at)

    @delete(
        "/clients/{client:str}/reports/{month:str}/links",
        role=Role.OPERATOR,
        sync_to_thread=True,
        status_code=HTTP_200_OK,
    )
    def revoke(
        self, session: NamedDependency[TenantSession], client: FromPath[str], month: FromPath[str]
    ) -> LinksRevoked:
        """All links to the report stop working, also those in mails."""
        return LinksRevoked(revoked=revoke_links(session, report=find_report(session, client=client, month=month)))

    @get("/report-style", role=Role.VIEWER, sync_to_thread=True)
    def style(self, session: NamedDependency[TenantSession], client: FromQuery[str | None] = None) -> Style:
        """How reports look: the agency's, or one client's."""
        return style_of(session, client_id_of(session, client))

    @patch("/report-style", role=Role.ADMIN, sync_to_thread=True)
    def change_report_style(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        data: JSONBody[dict[str, Any]],
        client: FromQuery[str | None] = None,
    ) -> Style:
        """Change some of it; null goes back to what the agency or the product has."""
        return change_style(session, principal=principal, client_id=client_id_of(session, client), changes=data)

    @post("/report-style/logo", role=Role.ADMIN, sync_to_thread=True, status_code=HTTP_200_OK)
    def logo(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        body: RawBody,
        client: FromQuery[str | None] = None,
    ) -> Style:
        """Upload a PNG or JPEG as the logo."""
        return change_logo(
            session,
            principal=principal,
            client_id=client_id_of(session, client),
            picture=body,
            storage=storage_of(request),
        )


def pdf_answer(session: TenantSession, report: Report, storage: Storage, filename: str) -> Response[bytes]:
    """Raises Conflict while the PDF is being made."""
    file = file_of(session, report)
    if file is None:
        raise Conflict("the PDF is being made; try again in a moment")
    headers = {
        "Content-Disposition": f'inline; filename="{filename}"',
        "X-Content-Type-Options": "nosniff",
        "ETag": f'"{file.sha256}"',
        "Cache-Control": "private, no-cache",
    }
    return Response(storage.read(file.sha256), media_type="application/pdf", headers=headers)


def storage_of(request: HttpRequest) -> Storage:
    storage = request.app.state.storage
    assert isinstance(storage, Storage)
    return storage


def _brief(report: Report, client: Client) -> ReportBrief:
    return ReportBrief(
        client=client.slug,
        month=report.month,
        state=report.state,
        approved_by=report.approved_by,
        approved_at=report.approved_at,
        delivered_at=report.delivered_at,
    )


def sees_sent_alone(principal: Principal) -> bool:
    """A client's account: what the agency still works on is not its."""
    return not principal.may(Role.VIEWER)


def _read(session: TenantSession, report: Report, client: Client) -> ReportRead:
    content = report_content(session, report)
    file = file_of(session, report)
    return ReportRead(
        **_brief(report, client).model_dump(),
        digest=digest_of(session, report),
        headline=headline(Translator(content.style.language, content.time_zone), content),
        light=content.light,
        note=content.note,
        pages=file.pages if file else None,
        problem=problem_of(session, report),
        mails=[MailBrief.model_validate(mail) for mail in mails_of(session, report)],
        content=content.stored(),
    )

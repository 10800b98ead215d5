"""Monthly reports: what waits for approval, one report with its mail, and how reports look."""

from typing import Any

from litestar import Controller, MediaType, Response, get, post
from litestar.datastructures import FormMultiDict, UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from tuneloop.clients.months import Month, zone_of_agency
from tuneloop.clients.service import client_id_of, find_client, list_clients
from tuneloop.identity.request import HttpRequest, settings_of
from tuneloop.kit.clock import now
from tuneloop.kit.errors import InvalidInput, NotFound, TuneloopError
from tuneloop.kit.principal import Principal
from tuneloop.kit.request_bodies import DEFAULT_BYTES
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Role
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.forms import people
from tuneloop.web.console.render import page
from tuneloop_reports.controller import sees_sent_alone, storage_of
from tuneloop_reports.document import Medium, write_html
from tuneloop_reports.i18n import Translator
from tuneloop_reports.links import new_link, revoke_links
from tuneloop_reports.public import HEADERS
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
    recipients,
    report_content,
    set_note,
)
from tuneloop_reports.style import Font, Language, PageSize
from tuneloop_reports.style_service import LARGEST_LOGO, change_logo, change_style, style_of

TONES = {"green": "ok", "amber": "warn", "red": "alert", "grey": "none"}


class ReportPages(Controller):
    path = "/reports"
    include_in_schema = False

    @get(role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def index(
        self, request: HttpRequest, session: NamedDependency[TenantSession], principal: NamedDependency[Principal]
    ) -> Response[str]:
        last_month = Month.of(now(), zone_of_agency(session)).previous
        return page(
            request,
            "reports/index.html",
            reports=list_reports(session, sent=sees_sent_alone(principal)),
            clients=list_clients(session),
            last_month=str(last_month),
        )

    @post(role=Role.OPERATOR, sync_to_thread=True)
    def prepare_report(
        self, request: HttpRequest, session: NamedDependency[TenantSession], form: NamedDependency[FormMultiDict]
    ) -> Redirect:
        del request
        client, month = str(form.get("client", "")), str(form.get("month", ""))
        prepare(session, client=find_client(session, client), month=month)
        return back_to(f"/reports/{client}/{month}", "The draft shows the newest numbers.")

    @get("/style", role=Role.VIEWER, sync_to_thread=True)
    def style(
        self, request: HttpRequest, session: NamedDependency[TenantSession], client: FromQuery[str] = ""
    ) -> Response[str]:
        found = find_client(session, client) if client else None
        return page(
            request,
            "reports/style.html",
            style=style_of(session, found.id if found else None),
            client=found,
            clients=list_clients(session),
            languages=Language,
            sizes=PageSize,
            fonts=Font,
        )

    @post("/style", role=Role.ADMIN, sync_to_thread=True)
    def change_report_style(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromQuery[str] = "",
    ) -> Redirect:
        client_id = client_id_of(session, client)
        changes: dict[str, Any] = {
            name: str(form.get(name, "")).strip()
            for name in ("language", "page_size", "brand", "accent", "font", "footer", "website", "link_days")
        }
        changes |= {name: name in form for name in ("show_examples", "approve_by_itself")}
        if "further_recipients" in form:
            changes["further_recipients"] = people(form, "further_recipients")
        change_style(session, principal=principal, client_id=client_id, changes=changes)
        return _saved(client)

    @get("/style/logo", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def logo(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromQuery[str] = "",
    ) -> Response[bytes]:
        """The logo, as reports show it; whoever is confined to a client sees that of its reports."""
        found = style_of(session, principal.client_id or client_id_of(session, client)).logo
        if found is None:
            raise NotFound("logo", client or "agency")
        return Response(storage_of(request).read(found), media_type="image/png", headers=dict(HEADERS))

    @post("/style/logo", role=Role.ADMIN, request_max_body_size=LARGEST_LOGO + DEFAULT_BYTES, sync_to_thread=True)
    def change_logo(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromQuery[str] = "",
    ) -> Redirect:
        """A new one, or none."""
        client_id, sent = client_id_of(session, client), form.get("logo")
        data = sent.file.read(LARGEST_LOGO + 1) if isinstance(sent, UploadFile) else b""
        if not data and "remove" not in form:
            raise InvalidInput("choose a PNG or JPEG file", field="logo")
        change_logo(
            session, principal=principal, client_id=client_id, picture=data or None, storage=storage_of(request)
        )
        return _saved(client)

    @get("/{client:str}/{month:str}", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def read(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        month: FromPath[str],
    ) -> Response[str]:
        report = find_report(session, client=client, month=month, sent=sees_sent_alone(principal))
        content = report_content(session, report)
        return page(
            request,
            "reports/report.html",
            report=report,
            client=find_client(session, client),
            content=content,
            headline=headline(Translator(content.style.language, content.time_zone), content),
            tone=TONES[content.light],
            digest=digest_of(session, report),
            file=file_of(session, report),
            problem=problem_of(session, report),
            mails=mails_of(session, report),
            recipients=recipients(session, report),
            over=content.end <= now(),
        )

    @get("/{client:str}/{month:str}/view", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def view(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        month: FromPath[str],
    ) -> Response[str]:
        """As the client sees it in the browser."""
        report = find_report(session, client=client, month=month, sent=sees_sent_alone(principal))
        content = report_content(session, report)
        logo = storage_of(request).read(content.style.logo) if content.style.logo else None
        text = write_html(content, medium=Medium.BROWSER, logo=logo)
        return Response(text, media_type=MediaType.HTML, headers=dict(HEADERS))

    @post("/{client:str}/{month:str}/note", role=Role.OPERATOR, sync_to_thread=True)
    def note(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
        month: FromPath[str],
    ) -> Redirect:
        report = find_report(session, client=client, month=month)
        set_note(session, principal=principal, report=report, note=str(form.get("note", "")))
        return back_to(f"/reports/{client}/{month}", "The note is in the report.")

    @post("/{client:str}/{month:str}/approve", role=Role.OPERATOR, sync_to_thread=True)
    def approve_report(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
        month: FromPath[str],
    ) -> Redirect:
        report = find_report(session, client=client, month=month)
        try:
            approve(session, principal=principal, report=report, digest=str(form.get("digest", "")))
        except TuneloopError as refused:
            return back_to(f"/reports/{client}/{month}", f"Not sent: {refused.message}.", failed=True)
        return back_to(f"/reports/{client}/{month}", "Approved. It is on its way.")

    @post("/{client:str}/{month:str}/link", role=Role.OPERATOR, sync_to_thread=True)
    def link(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
        month: FromPath[str],
    ) -> Redirect:
        report = find_report(session, client=client, month=month)
        if "revoke" in form:
            done = revoke_links(session, report=report)
            return back_to(f"/reports/{client}/{month}", f"{done} links stopped working.")
        days = report_content(session, report).style.link_days
        made = new_link(session, report=report, created_by=principal.name, days=days)
        return back_to(f"/reports/{client}/{month}", f"{settings_of(request).site_url}/r/{made.token}")


def _saved(client: str) -> Redirect:
    return back_to(f"/reports/style?client={client}" if client else "/reports/style", "Saved for the next report.")

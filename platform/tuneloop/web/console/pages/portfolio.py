"""The start page: every client's models, and what waits for somebody. The client page: one client's."""

from litestar import Controller, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from tuneloop.clients.service import change_client, find_client
from tuneloop.founding.checklist import checklist
from tuneloop.identity.request import HttpRequest
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.portfolio import portfolio
from tuneloop.tables import Role
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.forms import people, required
from tuneloop.web.console.inbox import open_alerts, open_questions, undelivered
from tuneloop.web.console.render import page
from tuneloop_billing.problems import OpenProblem, open_problems


def _money(session: TenantSession, principal: Principal) -> list[OpenProblem]:
    return open_problems(session) if principal.may(Role.ADMIN) else []


class PortfolioPage(Controller):
    path = "/"
    include_in_schema = False

    @get(role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def index(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
    ) -> Response[str]:
        return page(
            request,
            "portfolio.html",
            rows=portfolio(session),
            steps=[each for each in checklist(session, person_id=principal.person_id) if principal.may(each.role)],
            questions=open_questions(session),
            alerts=open_alerts(session),
            money=_money(session, principal),
            lost=undelivered(session) if principal.may(Role.ADMIN) else [],
        )

    @get("/clients/{client:str}", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def client(
        self, request: HttpRequest, session: NamedDependency[TenantSession], client: FromPath[str]
    ) -> Response[str]:
        found = find_client(session, client)
        return page(
            request,
            "client.html",
            client=found,
            rows=[row for row in portfolio(session) if row.client == found.slug],
            questions=[one for one in open_questions(session) if one.client.id == found.id],
            alerts=[one for one in open_alerts(session) if one.client.id == found.id],
        )

    @post("/clients/{client:str}", role=Role.OPERATOR, sync_to_thread=True)
    def change(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
    ) -> Redirect:
        """Name and contacts."""
        found = find_client(session, client)
        name, contacts = required(form, "name", "the name", longest=120), people(form, "contacts")
        change_client(session, principal=principal, client=found.slug, name=name, contacts=contacts)
        return back_to(f"/clients/{found.slug}", "Changed.")

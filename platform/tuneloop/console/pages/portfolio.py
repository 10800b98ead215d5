"""The start page: every client's models, and what waits for somebody."""

from litestar import Controller, Response, get
from litestar.di import NamedDependency

from tuneloop.clients.service import list_clients
from tuneloop.console.render import page
from tuneloop.identity.request import HttpRequest
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.service import aliases, list_models
from tuneloop.tables import Alias, Role


class PortfolioPage(Controller):
    path = "/"
    include_in_schema = False

    @get(role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def index(self, request: HttpRequest, session: NamedDependency[TenantSession]) -> Response[str]:
        clients = {client.id: client for client in list_clients(session)}
        models = [
            (clients[model.client_id], model, aliases(session, model.id).get(Alias.PRODUCTION))
            for model in list_models(session)
        ]
        return page(request, "portfolio.html", models=models)

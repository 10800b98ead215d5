"""The bases of this installation, and those that are good to begin with."""

from litestar import Controller, Response, get
from litestar.di import NamedDependency

from tuneloop.identity.request import HttpRequest
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.catalogue import CATALOGUE
from tuneloop.registry.service import list_bases
from tuneloop.tables import Role
from tuneloop.web.console.render import page


class BasesPage(Controller):
    path = "/bases"
    include_in_schema = False

    @get(role=Role.VIEWER, sync_to_thread=True)
    def index(self, request: HttpRequest, session: NamedDependency[TenantSession]) -> Response[str]:
        bases = list_bases(session)
        names = {base.name for base in bases}
        return page(
            request, "bases.html", bases=bases, suggestions=[each for each in CATALOGUE if each.name not in names]
        )

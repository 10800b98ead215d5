"""HTTP: clients."""

from litestar import Controller, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from tuneloop.clients.schemas import ClientCreate, ClientPatch, ClientRead
from tuneloop.clients.service import change_client, create_client, find_client, list_clients
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Role


class ClientController(Controller):
    path = "/api/v1/clients"
    tags = ("clients",)

    @post(role=Role.OPERATOR, sync_to_thread=True)
    def create(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        data: JSONBody[ClientCreate],
    ) -> ClientRead:
        """Add a client."""
        values = data.model_dump(mode="python")
        return ClientRead.model_validate(create_client(session, principal=principal, **values))

    @get(role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def index(self, session: NamedDependency[TenantSession]) -> list[ClientRead]:
        """Clients you may see."""
        return [ClientRead.model_validate(client) for client in list_clients(session)]

    @get("/{client:str}", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def read(self, session: NamedDependency[TenantSession], client: FromPath[str]) -> ClientRead:
        """One client."""
        return ClientRead.model_validate(find_client(session, client))

    @patch("/{client:str}", role=Role.OPERATOR, sync_to_thread=True)
    def change(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        data: JSONBody[ClientPatch],
    ) -> ClientRead:
        """Change a client's name, or whom it wants written to."""
        values = data.model_dump(mode="python")
        return ClientRead.model_validate(change_client(session, principal=principal, client=client, **values))

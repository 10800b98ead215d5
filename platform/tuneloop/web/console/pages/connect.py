"""What a client's developer needs: an address, a key of the narrowest kind, and a request that works as written."""

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from tuneloop.clients.service import find_client
from tuneloop.identity.keys import create_key, keys
from tuneloop.identity.request import HttpRequest, settings_of
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.predictions.service import latest_answer_at
from tuneloop.registry.service import aliases, find_model
from tuneloop.tables import Alias, Role
from tuneloop.web.console.render import page
from tuneloop.web.console.snippets import snippets

PLACE_OF_KEY = "tl_YOUR_KEY"


class ConnectPage(Controller):
    path = "/models/{client:str}/{model:str}/connect"
    include_in_schema = False

    @get(role=Role.VIEWER, sync_to_thread=True)
    def show(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        client: FromPath[str],
        model: FromPath[str],
    ) -> Response[str]:
        return _connect(request, session, client, model)

    @post("/key", role=Role.ADMIN, status_code=200, sync_to_thread=True)
    def make_key(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
    ) -> Response[str]:
        """Answers with the page itself: the key is shown once, and never travels in an address or a cookie."""
        find_model(session, client=client, model=model)
        _, token = create_key(
            session,
            principal=principal,
            name=f"{client}'s application",
            role=Role.VIEWER,
            client=client,
            inference_only=True,
        )
        session.flush()
        return _connect(request, session, client, model, token=token)


def _connect(
    request: HttpRequest, session: TenantSession, client: str, model: str, *, token: str = ""
) -> Response[str]:
    found, owner = find_model(session, client=client, model=model), find_client(session, client)
    address = f"{settings_of(request).site_url}/v1"
    usable = [each for each in keys(session) if each.revoked_at is None and each.scope_client_id == owner.id]
    return page(
        request,
        "connect.html",
        client=owner,
        model=found,
        address=address,
        token=token,
        keys=usable,
        serving=aliases(session, found.id).get(Alias.PRODUCTION),
        answered=latest_answer_at(session, found),
        snippets=snippets(address=address, key=token or PLACE_OF_KEY, model=f"{client}/{model}"),
    )

"""HTTP: versions that an OpenAI-compatible service answers for. The service is asked between transactions."""

from litestar import Controller, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from tuneloop.deployment.external import bring, change, serve
from tuneloop.identity.request import HttpRequest
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.external import endpoints_of, find_endpoint
from tuneloop.registry.external_schemas import ExternalChange, ExternalCreate, ExternalRead, ExternalServe
from tuneloop.registry.service import find_model
from tuneloop.tables import AdapterVersion, Role


class ExternalController(Controller):
    path = "/api/v1/models/{client:str}/{model:str}/external"
    tags = ("models",)

    @get(role=Role.VIEWER, sync_to_thread=True)
    def index(
        self, session: NamedDependency[TenantSession], client: FromPath[str], model: FromPath[str]
    ) -> list[ExternalRead]:
        """External versions, oldest first: who answers, at what price and until when."""
        found = find_model(session, client=client, model=model)
        return [
            ExternalRead.of(each, session.get_one(AdapterVersion, each.version_id), model=f"{client}/{model}")
            for each in endpoints_of(session, found.id)
        ]

    @post(role=Role.OPERATOR, sync_to_thread=True)
    def create(
        self,
        request: HttpRequest,
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        data: JSONBody[ExternalCreate],
    ) -> ExternalRead:
        """Try a service and add it as a version; where nothing is in production yet, it is from now on."""
        return bring(request, principal, client=client, model=model, wanted=data)

    @patch("/{version:str}", role=Role.OPERATOR, sync_to_thread=True)
    def change(
        self,
        request: HttpRequest,
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        version: FromPath[str],
        data: JSONBody[ExternalChange],
    ) -> ExternalRead:
        """Another key, other prices, another last day. URL and model are what the version is: add another one."""
        return change(request, principal, client=client, model=model, version=version, wanted=data)

    @post("/{version:str}/serve", role=Role.ADMIN, sync_to_thread=True)
    def put_into_production(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        version: FromPath[str],
        data: JSONBody[ExternalServe],
    ) -> ExternalRead:
        """Let this service answer instead of what is in production, such as after a client has changed services."""
        found = find_model(session, client=client, model=model)
        served = serve(
            session, principal=principal, model=found, version=version, digest=data.digest, reason=data.reason
        )
        return ExternalRead.of(find_endpoint(session, served), served, model=f"{client}/{model}")

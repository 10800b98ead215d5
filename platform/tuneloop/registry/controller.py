"""HTTP: base models, registered models, versions and their files."""

from collections.abc import Sequence
from uuid import UUID

from litestar import Controller, get, patch, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import File

from tuneloop.clients.service import client_slugs
from tuneloop.identity.request import HttpRequest, database_of, settings_of
from tuneloop.kit.errors import NotFound
from tuneloop.kit.jobs.reading import JobRead
from tuneloop.kit.principal import Principal
from tuneloop.kit.storage import Storage
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.base_orders import order_base, why_not
from tuneloop.registry.catalogue import CATALOGUE
from tuneloop.registry.contract import Quantisation
from tuneloop.registry.overrides import override_of_version
from tuneloop.registry.policy import Policy
from tuneloop.registry.schemas import (
    BaseOrder,
    BaseRead,
    ModelChange,
    ModelCreate,
    ModelRead,
    SuggestionRead,
    VersionRead,
)
from tuneloop.registry.service import (
    change_model,
    contract_of,
    create_model,
    find_model,
    find_version,
    list_bases,
    list_models,
    list_versions,
    numbers_by_alias,
    policy_of,
)
from tuneloop.tables import RegisteredModel, Role


def read_models(session: TenantSession, models: Sequence[RegisteredModel]) -> list[ModelRead]:
    slugs, bases = client_slugs(session), {base.id: base.name for base in list_bases(session)}
    named = numbers_by_alias(session, [model.id for model in models])
    return [
        ModelRead(
            name=f"{slugs[model.client_id]}/{model.slug}",
            base=bases[model.base_id],
            contract=contract_of(model),
            policy=policy_of(model),
            quantisation=Quantisation(model.quantisation) if model.quantisation else None,
            aliases={alias: f"v{number}" for alias, number in named[model.id].items()},
            created_at=model.created_at,
        )
        for model in models
    ]


def read_model(session: TenantSession, model: RegisteredModel) -> ModelRead:
    return read_models(session, [model])[0]


class BaseController(Controller):
    path = "/api/v1/bases"
    tags = ("bases",)

    @get(role=Role.VIEWER, sync_to_thread=True)
    def index(self, session: NamedDependency[TenantSession]) -> list[BaseRead]:
        """Base models that a model can be built on."""
        return [BaseRead.of(base) for base in list_bases(session)]

    @get("/catalogue", role=Role.VIEWER, sync_to_thread=False)
    def catalogue(self) -> list[SuggestionRead]:
        """Bases that are good to begin with, and what each needs."""
        return [SuggestionRead.of(each) for each in CATALOGUE]

    @post(role=Role.OWNER, status_code=202, sync_to_thread=True)
    def order(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        data: JSONBody[BaseOrder],
    ) -> JobRead:
        """Have a worker download and register a base of the catalogue, where the installation lets an agency do so."""
        with database_of(request).all_agencies() as everywhere:
            refusal = why_not(everywhere, principal, settings_of(request).add_bases)
        return JobRead.model_validate(order_base(session, principal=principal, name=data.name, refusal=refusal))


class ModelController(Controller):
    path = "/api/v1/models"
    tags = ("models",)

    @get(role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def index(self, session: NamedDependency[TenantSession]) -> list[ModelRead]:
        """Models you may see."""
        return read_models(session, list_models(session))

    @post("/{client:str}", role=Role.OPERATOR, sync_to_thread=True)
    def create(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        data: JSONBody[ModelCreate],
    ) -> ModelRead:
        """Register a model of a client."""
        model = create_model(
            session,
            principal=principal,
            client=client,
            slug=data.slug,
            base=data.base,
            contract=data.contract,
            policy=data.policy,
            quantisation=data.quantisation,
        )
        return read_model(session, model)

    @get("/{client:str}/{model:str}", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def read(self, session: NamedDependency[TenantSession], client: FromPath[str], model: FromPath[str]) -> ModelRead:
        """One model with its aliases."""
        return read_model(session, find_model(session, client=client, model=model))

    @patch("/{client:str}/{model:str}", role=Role.OPERATOR, sync_to_thread=True)
    def change(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        data: JSONBody[ModelChange],
    ) -> ModelRead:
        """Change the contract or the policy for the next version."""
        found = find_model(session, client=client, model=model)
        policy = data.policy and Policy.model_validate(found.policy | data.policy.model_dump(exclude_unset=True))
        change_model(session, principal=principal, model=found, contract=data.contract, policy=policy)
        return read_model(session, found)

    @get("/{client:str}/{model:str}/versions", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def versions(
        self, session: NamedDependency[TenantSession], client: FromPath[str], model: FromPath[str]
    ) -> list[VersionRead]:
        """Versions, oldest first."""
        found = list_versions(session, find_model(session, client=client, model=model))
        numbers: dict[UUID | None, str] = {version.id: version.number for version in found}
        return [
            VersionRead.of(
                version,
                model=f"{client}/{model}",
                parent=numbers.get(version.parent_id),
                override=override_of_version(session, version.id),
            )
            for version in found
        ]

    @get("/{client:str}/{model:str}/versions/{version:str}", role=Role.CLIENT_VIEWER, sync_to_thread=True)
    def version(
        self,
        session: NamedDependency[TenantSession],
        client: FromPath[str],
        model: FromPath[str],
        version: FromPath[str],
    ) -> VersionRead:
        """One version by number (v1.0), alias or digest."""
        found = find_model(session, client=client, model=model)
        row = find_version(session, found, version)
        numbers: dict[UUID | None, str] = {each.id: each.number for each in list_versions(session, found)}
        return VersionRead.of(
            row,
            model=f"{client}/{model}",
            parent=numbers.get(row.parent_id),
            override=override_of_version(session, row.id),
        )

    @get("/{client:str}/{model:str}/versions/{version:str}/files/{name:path}", role=Role.VIEWER, sync_to_thread=True)
    def file(
        self,
        session: NamedDependency[TenantSession],
        state: State,
        client: FromPath[str],
        model: FromPath[str],
        version: FromPath[str],
        name: FromPath[str],
    ) -> File:
        """Download one file of a version, such as adapter.gguf or manifest.json."""
        row = find_version(session, find_model(session, client=client, model=model), version)
        wanted = name.lstrip("/")
        storage = state.storage
        assert isinstance(storage, Storage)
        for file in row.files:
            if file["name"] == wanted:
                return File(storage.path(file["sha256"]), filename=wanted.rsplit("/", 1)[-1], etag=None)
        raise NotFound("file", wanted)

"""Who may call what: API keys and model names in memory, so that a request needs no database."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple, Self
from uuid import UUID

import structlog
from pydantic import ValidationError
from sqlalchemy.orm import load_only
from sqlmodel import Session, col, select

from tuneloop.gateway.ab_assignment import Assignment, Split
from tuneloop.gateway.shadow_plan import ShadowPlan
from tuneloop.identity.keys import principals_of_keys
from tuneloop.kit.principal import Principal
from tuneloop.registry.contract import Contract
from tuneloop.registry.service import full_name, is_external
from tuneloop.tables import (
    AbState,
    AbTest,
    AdapterVersion,
    Alias,
    Arm,
    BaseModel,
    Client,
    ExternalEndpoint,
    RegisteredModel,
    Role,
    ShadowState,
    ShadowTest,
    VersionAlias,
)

log = structlog.get_logger(__name__)

ORIGIN = "gateway"

# Manifests, contracts and policies are large; the table is read every few seconds.
_VERSION: tuple[Any, ...] = (
    AdapterVersion.number,
    AdapterVersion.digest,
    AdapterVersion.model_id,
    AdapterVersion.origin,
    AdapterVersion.created_at,
)
_MODEL: tuple[Any, ...] = (RegisteredModel.slug, RegisteredModel.agency_id, RegisteredModel.client_id)


@dataclass(frozen=True, slots=True)
class External:
    """The service that answers for an external version; `sealed_key` opens by the installation's secret key."""

    endpoint_id: UUID
    url: str
    model: str
    sealed_key: str | None
    gives_confidence: bool

    @classmethod
    def of(cls, row: ExternalEndpoint) -> Self:
        return cls(row.id, row.url, row.model_name, row.sealed_key, row.gives_confidence)


@dataclass(frozen=True, slots=True)
class Route:
    """One servable version. `upstream_url` is None for the local engine; `name` always carries the version number.

    With `external` neither answers: the version is a service's.

    Behind a model's bare name it is production's, with the test that runs (an A/B test, or a shadow test) and the
    candidate's route, if one does.
    """

    name: str
    owner: str
    agency_id: UUID
    client_id: UUID
    model_id: UUID
    version_id: UUID
    digest: str
    contract: Contract
    upstream_url: str | None
    created_at: datetime
    external: External | None = None
    split: Split | None = None
    shadow: ShadowPlan | None = None
    candidate: "Route | None" = None

    def assigned(self, person: str, *, at: datetime) -> "Assigned":
        """The version that answers this person, and the arm that it is; without a test that runs, this one."""
        if self.split is None or self.candidate is None or at >= self.split.ends_at:
            return Assigned(self, None)
        assignment = self.split.of(person)
        return Assigned(self.candidate if assignment.arm is Arm.CANDIDATE else self, assignment)


class Assigned(NamedTuple):
    route: Route
    assignment: Assignment | None


class RouteKey(NamedTuple):
    agency_id: UUID
    name: str


class NamedRoute(NamedTuple):
    name: str
    route: Route


@dataclass(frozen=True)
class RouteTable:
    """A consistent picture of keys and names. `principals` is keyed by the digest of the token."""

    principals: Mapping[str, Principal] = field(default_factory=dict)
    routes: Mapping[RouteKey, Route] = field(default_factory=dict)

    def find(self, principal: Principal, name: str) -> Route | None:
        """The route behind a name as far as this caller is concerned; somebody else's is none."""
        route = self.routes.get(RouteKey(principal.agency_id, name))
        return route if route is not None and _may_call(principal, name, route) else None

    def visible(self, principal: Principal) -> list[NamedRoute]:
        return [
            NamedRoute(key.name, route)
            for key, route in self.routes.items()
            if key.agency_id == principal.agency_id and _may_call(principal, key.name, route)
        ]


class RouteLoader:
    """Reads the table. Versions never change, so the contract of each is read and parsed once."""

    def __init__(self) -> None:
        self._contracts: dict[UUID, Contract | None] = {}
        self._distinct: dict[Contract, Contract] = {}

    def load(self, session: Session) -> RouteTable:
        """Needs a session across agencies."""
        rows = session.exec(
            select(AdapterVersion, RegisteredModel, Client.slug, BaseModel.upstream_url)
            .join(RegisteredModel, col(RegisteredModel.id) == AdapterVersion.model_id)
            .join(Client, col(Client.id) == RegisteredModel.client_id)
            .join(BaseModel, col(BaseModel.id) == RegisteredModel.base_id)
            .options(load_only(*_VERSION), load_only(*_MODEL))
        ).all()
        external = {row.version_id: External.of(row) for row in session.exec(select(ExternalEndpoint))}
        self._read_contracts(session, [version.id for version, *_ in rows])
        by_version = {
            version.id: Route(
                name=f"{client}/{model.slug}@v{version.number}",
                owner=client,
                agency_id=model.agency_id,
                client_id=model.client_id,
                model_id=model.id,
                version_id=version.id,
                digest=version.digest,
                contract=contract,
                upstream_url=upstream_url,
                created_at=version.created_at,
                external=external.get(version.id) if is_external(version) else None,
            )
            for version, model, client, upstream_url in rows
            if (contract := self._contracts[version.id]) is not None
        }
        running = session.exec(select(AbTest).where(AbTest.state == AbState.RUNNING)).all()
        shadows = session.exec(select(ShadowTest).where(ShadowTest.state == ShadowState.RUNNING)).all()
        return RouteTable(
            principals_of_keys(session, origin=ORIGIN),
            _named(by_version, session.exec(select(VersionAlias)), [*shadows, *running]),
        )

    def _read_contracts(self, session: Session, version_ids: list[UUID]) -> None:
        unknown = [version_id for version_id in version_ids if version_id not in self._contracts]
        if not unknown:
            return
        query = select(AdapterVersion.id, AdapterVersion.manifest).where(col(AdapterVersion.id).in_(unknown))
        for version_id, manifest in session.exec(query):
            self._contracts[version_id] = self._parsed(version_id, manifest)

    def _parsed(self, version_id: UUID, manifest: Mapping[str, Any]) -> Contract | None:
        """None for a damaged manifest: one version that cannot be served must not hide the others."""
        try:
            contract = Contract.model_validate(manifest.get("contract"))
        except ValidationError:
            log.exception("version_not_served", version_id=str(version_id))
            return None
        return self._distinct.setdefault(contract, contract)


def route_of(session: Session, model: RegisteredModel, version: AdapterVersion) -> Route:
    """Of one version, for whoever asks it outside of the gateway."""
    name = full_name(session, model)
    endpoint = session.exec(select(ExternalEndpoint).where(ExternalEndpoint.version_id == version.id)).one_or_none()
    return Route(
        name=f"{name}@v{version.number}",
        owner=name.partition("/")[0],
        agency_id=model.agency_id,
        client_id=model.client_id,
        model_id=model.id,
        version_id=version.id,
        digest=version.digest,
        contract=Contract.model_validate(version.manifest["contract"]),
        upstream_url=session.get_one(BaseModel, model.base_id).upstream_url,
        created_at=version.created_at,
        external=External.of(endpoint) if endpoint and is_external(version) else None,
    )


def _may_call(principal: Principal, name: str, route: Route) -> bool:
    """A confined key reaches its client only; what is not in production answers to operators only."""
    if principal.client_id not in (None, route.client_id):
        return False
    return "@" not in name or name.endswith(f"@{Alias.PRODUCTION}") or principal.may(Role.OPERATOR)


def _named(
    by_version: Mapping[UUID, Route], aliases: Iterable[VersionAlias], running: Iterable[AbTest | ShadowTest]
) -> dict[RouteKey, Route]:
    """Every name of every version: its number, its aliases, and the bare name for production.

    Only the bare name takes part in a test, and only while production is the version that the test began with.
    """
    tests = {test.production_version_id: test for test in running}
    routes = {RouteKey(route.agency_id, route.name): route for route in by_version.values()}
    for alias in aliases:
        route = by_version.get(alias.version_id)
        if route is None:
            continue
        bare, _, _ = route.name.partition("@")
        routes[RouteKey(route.agency_id, f"{bare}@{alias.name}")] = route
        if alias.name is Alias.PRODUCTION:
            routes[RouteKey(route.agency_id, bare)] = _tested(route, tests.get(alias.version_id), by_version)
    return routes


def _tested(route: Route, test: AbTest | ShadowTest | None, by_version: Mapping[UUID, Route]) -> Route:
    candidate = by_version.get(test.candidate_version_id) if test is not None else None
    if test is None or test.ends_at is None or candidate is None:
        return route
    if isinstance(test, ShadowTest):
        return replace(route, shadow=ShadowPlan(test.id, test.share, test.ends_at), candidate=candidate)
    return replace(route, split=Split(test.id, test.share, test.ends_at), candidate=candidate)

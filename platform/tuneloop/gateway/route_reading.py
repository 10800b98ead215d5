"""Reads routes and keys from the database: of what has changed, or everything in pages."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import structlog
from pydantic import ValidationError
from sqlalchemy.orm import load_only
from sqlmodel import Session, col, or_, select

from tuneloop.gateway.ab_assignment import Split
from tuneloop.gateway.route_changes import Changes
from tuneloop.gateway.route_table import ModelRoutes, Reading
from tuneloop.gateway.routes import Route
from tuneloop.gateway.shadow_plan import ShadowPlan
from tuneloop.identity.keys import known_keys
from tuneloop.registry.contract import Contract
from tuneloop.tables import (
    AbState,
    AbTest,
    AdapterVersion,
    Alias,
    ApiKey,
    BaseModel,
    Client,
    ExternalEndpoint,
    RegisteredModel,
    ShadowState,
    ShadowTest,
    VersionAlias,
)

log = structlog.get_logger(__name__)

ORIGIN = "gateway"
MODELS_A_PAGE = 200
KEYS_A_PAGE = 2000

# Manifests, contracts and policies are large.
_VERSION: tuple[Any, ...] = (
    AdapterVersion.number,
    AdapterVersion.digest,
    AdapterVersion.model_id,
    AdapterVersion.origin,
    AdapterVersion.created_at,
)
_MODEL: tuple[Any, ...] = (RegisteredModel.slug, RegisteredModel.agency_id, RegisteredModel.client_id)


class RouteReader:
    """Needs sessions across agencies. Versions never change, so the contract of each is read and parsed once."""

    def __init__(self) -> None:
        self._contracts: dict[UUID, Contract | None] = {}
        self._distinct: dict[Contract, Contract] = {}

    def changed(self, session: Session, changes: Changes) -> Reading:
        """What is true now of what `changes` names."""
        models = set(changes.models)
        if changes.agencies or changes.bases:
            models |= set(
                session.exec(
                    select(RegisteredModel.id).where(
                        or_(
                            col(RegisteredModel.agency_id).in_(changes.agencies),
                            col(RegisteredModel.base_id).in_(changes.bases),
                        )
                    )
                )
            )
        keys = set(changes.keys)
        if changes.people:
            keys |= set(session.exec(select(ApiKey.id).where(col(ApiKey.created_by).in_(changes.people))))
        return self._reading(session, models, keys)

    def named(self, session: Session, agency_id: UUID, name: str) -> Reading:
        """The model that a name would be of; empty where there is none."""
        client, _, rest = name.partition("/")
        found = session.exec(
            select(RegisteredModel.id)
            .join(Client, col(Client.id) == RegisteredModel.client_id)
            .where(
                RegisteredModel.agency_id == agency_id,
                Client.slug == client,
                RegisteredModel.slug == rest.partition("@")[0],
            )
        ).all()
        return self._reading(session, found, ())

    def models_after(self, session: Session, last: UUID | None) -> Reading:
        """The next page of models, in the order of their ids; an empty one is the end."""
        return self._reading(session, _ids_after(session, RegisteredModel.id, last, MODELS_A_PAGE), ())

    def keys_after(self, session: Session, last: UUID | None) -> Reading:
        return self._reading(session, (), _ids_after(session, ApiKey.id, last, KEYS_A_PAGE))

    def _reading(self, session: Session, models: Collection[UUID], keys: Collection[UUID]) -> Reading:
        found: dict[UUID, ModelRoutes | None] = dict.fromkeys(models)
        if models:
            found |= self._routes(session, models)
        known: dict[UUID, list[Any]] = {key_id: [] for key_id in keys}
        if keys:
            for each in known_keys(session, col(ApiKey.id).in_(keys), origin=ORIGIN):
                known[each.key_id].append(each)
        return Reading(found, known)

    def _routes(self, session: Session, models: Collection[UUID]) -> dict[UUID, ModelRoutes]:
        rows = session.exec(
            select(AdapterVersion, RegisteredModel, Client.slug, BaseModel.upstream_url)
            .join(RegisteredModel, col(RegisteredModel.id) == AdapterVersion.model_id)
            .join(Client, col(Client.id) == RegisteredModel.client_id)
            .join(BaseModel, col(BaseModel.id) == RegisteredModel.base_id)
            .where(col(AdapterVersion.model_id).in_(models))
            .options(load_only(*_VERSION), load_only(*_MODEL))
        ).all()
        endpoints = session.exec(select(ExternalEndpoint).where(col(ExternalEndpoint.model_id).in_(models)))
        external = {row.version_id: row for row in endpoints}
        self._read_contracts(session, [version.id for version, *_ in rows])
        versions: dict[UUID, dict[UUID, Route]] = defaultdict(dict)
        for version, model, client, upstream_url in rows:
            if (contract := self._contracts[version.id]) is not None:
                versions[model.id][version.id] = Route.of(
                    version,
                    model,
                    client=client,
                    contract=contract,
                    upstream_url=upstream_url,
                    endpoint=external.get(version.id),
                )
        aliases = _by_model(session.exec(select(VersionAlias).where(col(VersionAlias.model_id).in_(models))))
        tests = self._tests(session, models)
        return {
            model_id: ModelRoutes(
                next(iter(routes.values())).agency_id,
                dict(_names(routes, aliases.get(model_id, ()), tests)),
            )
            for model_id, routes in versions.items()
        }

    def _tests(self, session: Session, models: Collection[UUID]) -> dict[UUID, AbTest | ShadowTest]:
        """Those that run, by the version in production that each began with."""
        shadows = session.exec(
            select(ShadowTest).where(ShadowTest.state == ShadowState.RUNNING, col(ShadowTest.model_id).in_(models))
        )
        divided = session.exec(select(AbTest).where(AbTest.state == AbState.RUNNING, col(AbTest.model_id).in_(models)))
        return {test.production_version_id: test for test in [*shadows, *divided]}

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


def _ids_after(session: Session, column: Any, last: UUID | None, count: int) -> Collection[UUID]:
    query = select(column).order_by(column).limit(count)
    return session.exec(query if last is None else query.where(column > last)).all()


def _by_model(aliases: Iterable[VersionAlias]) -> dict[UUID, list[VersionAlias]]:
    found: dict[UUID, list[VersionAlias]] = defaultdict(list)
    for alias in aliases:
        found[alias.model_id].append(alias)
    return found


def _names(
    versions: Mapping[UUID, Route], aliases: Iterable[VersionAlias], tests: Mapping[UUID, AbTest | ShadowTest]
) -> Iterator[tuple[str, Route]]:
    """Every name of every version of a model: its number, its aliases, and the bare name for production.

    Only the bare name takes part in a test, and only while production is the version that the test began with.
    """
    for route in versions.values():
        yield route.name, route
    for alias in aliases:
        named = versions.get(alias.version_id)
        if named is None:
            continue
        bare, _, _ = named.name.partition("@")
        yield f"{bare}@{alias.name}", named
        if alias.name is Alias.PRODUCTION:
            yield bare, _tested(named, tests.get(alias.version_id), versions)


def _tested(route: Route, test: AbTest | ShadowTest | None, versions: Mapping[UUID, Route]) -> Route:
    candidate = versions.get(test.candidate_version_id) if test is not None else None
    if test is None or test.ends_at is None or candidate is None:
        return route
    if isinstance(test, ShadowTest):
        return replace(route, shadow=ShadowPlan(test.id, test.share, test.ends_at), candidate=candidate)
    return replace(route, split=Split(test.id, test.share, test.ends_at), candidate=candidate)

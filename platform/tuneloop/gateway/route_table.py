"""Who may call what: API keys and model names in memory, so that a request needs no database."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from tuneloop.gateway.routes import Route
from tuneloop.identity.keys import KnownKey
from tuneloop.kit.clock import now
from tuneloop.kit.principal import Principal
from tuneloop.tables import Alias, Role


class NamedRoute(NamedTuple):
    name: str
    route: Route


class ModelRoutes(NamedTuple):
    """Every name under which a model's versions answer."""

    agency_id: UUID
    names: Mapping[str, Route]


class Reading(NamedTuple):
    """What was found of some models and keys, by their ids: nothing of what is gone."""

    models: Mapping[UUID, ModelRoutes | None]
    keys: Mapping[UUID, Sequence[KnownKey]]


class RouteTable:
    """Belongs to one event loop, which alone reads and changes it."""

    def __init__(self) -> None:
        self._names: dict[UUID, dict[str, Route]] = {}
        self._models: dict[UUID, ModelRoutes] = {}
        self._secrets: dict[str, KnownKey] = {}
        self._keys: dict[UUID, Sequence[KnownKey]] = {}

    def __len__(self) -> int:
        """Names."""
        return sum(map(len, self._names.values()))

    @property
    def knows_keys(self) -> bool:
        return bool(self._keys)

    def caller(self, key_hash: str) -> Principal | None:
        known = self._secrets.get(key_hash)
        return known.principal if known is not None and (known.until is None or known.until > now()) else None

    def find(self, principal: Principal, name: str) -> Route | None:
        """The route behind a name as far as this caller is concerned; somebody else's is none."""
        route = self._names.get(principal.agency_id, {}).get(name)
        return route if route is not None and _may_call(principal, name, route) else None

    def visible(self, principal: Principal) -> list[NamedRoute]:
        names = self._names.get(principal.agency_id, {})
        return [NamedRoute(name, route) for name, route in names.items() if _may_call(principal, name, route)]

    def take(self, reading: Reading) -> None:
        """Put what was read in the place of what was known of the same models and keys."""
        for model_id, routes in reading.models.items():
            if (before := self._models.pop(model_id, None)) is not None:
                names = self._names[before.agency_id]
                for name in before.names:
                    names.pop(name, None)
            if routes is not None:
                self._models[model_id] = routes
                self._names.setdefault(routes.agency_id, {}).update(routes.names)
        for key_id, secrets in reading.keys.items():
            for known in self._keys.pop(key_id, ()):
                self._secrets.pop(known.key_hash, None)
            if secrets:
                self._keys[key_id] = secrets
                self._secrets.update({known.key_hash: known for known in secrets})


def _may_call(principal: Principal, name: str, route: Route) -> bool:
    """A confined key reaches its client only; what is not in production answers to operators only."""
    if principal.client_id not in (None, route.client_id):
        return False
    return "@" not in name or name.endswith(f"@{Alias.PRODUCTION}") or principal.may(Role.OPERATOR)

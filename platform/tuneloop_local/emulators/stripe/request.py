"""One request to the emulator's API, and the table of what it can do."""

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tuneloop_local.emulators.stripe.errors import ApiError, not_modelled
from tuneloop_local.emulators.stripe.spec import VERSION, Specification
from tuneloop_local.emulators.stripe.store import Account, Delivery, Object, World, new_object_id


@dataclass(frozen=True)
class StripeRequest:
    """`ids` are the parameters of the path, `params` those of the query or the body, typed."""

    world: World
    account: Account
    spec: Specification
    base_url: str
    ids: dict[str, str]
    params: dict[str, Any]
    request_key: str | None = None

    def named(self, kind: str) -> Object:
        """The object that the parameter called like its kind names."""
        if kind not in self.params:
            raise ApiError(f"Missing required param: {kind}.", code="parameter_missing", param=kind)
        return self.account.get(kind, self.params[kind], param=kind)

    def make(self, kind: str, prefix: str, **values: Any) -> Object:
        """A new object of a schema's name, kept by the account."""
        made = self.spec.blank(kind) | {"id": new_object_id(prefix), "livemode": False}
        if "created" in self.spec.schemas[kind]["properties"]:
            made["created"] = self.account.now
        if "metadata" in self.spec.schemas[kind]["properties"]:
            made["metadata"] = {}
        made |= values
        if "livemode" not in self.spec.schemas[kind]["properties"]:
            del made["livemode"]
        return self.account.add(kind, made)

    def tell(self, kind: str, subject: Object, previous: Object | None = None) -> Object:
        """Make an event and send it to every endpoint that listens."""
        data: Object = {"object": deepcopy(subject)}
        if previous:
            data["previous_attributes"] = previous
        request = {"id": None, "idempotency_key": self.request_key}
        event = self.make("event", "evt", type=kind, data=data, api_version=VERSION, request=request)
        listeners = list(_listeners(self.world, self.account, kind))
        event["pending_webhooks"] = len(listeners)
        if self.account.owner:
            event["account"] = self.account.id
        for owner, endpoint in listeners:
            owner.deliveries.append(Delivery(new_object_id("wd"), event["id"], endpoint["id"]))
        return event


def _listeners(world: World, account: Account, kind: str) -> Iterable[tuple[Account, Object]]:
    """An account's own endpoints, and its platform's for connected accounts."""
    places = [(account, False)]
    if account.owner:
        places.append((world.accounts[account.owner], True))
    for owner, connect in places:
        for endpoint in owner.all("webhook_endpoint").values():
            enabled = {"*", kind} & set(endpoint["enabled_events"])
            if enabled and endpoint["status"] == "enabled" and bool(endpoint["metadata"].get("_connect")) == connect:
                yield owner, endpoint


Handler = Callable[[StripeRequest], Object]
_ROUTES: dict[tuple[str, str], tuple[Handler, frozenset[str]]] = {}


def route(method: str, path: str, *models: str) -> Callable[[Handler], Handler]:
    """Register a handler for an operation of Stripe's. `models` are the parameters that it takes into account."""

    def register(handler: Handler) -> Handler:
        _ROUTES[method, path] = handler, frozenset(models)
        return handler

    return register


def handler_of(method: str, path: str) -> tuple[Handler, frozenset[str]]:
    found = _ROUTES.get((method, path))
    if found is None:
        raise not_modelled(f"{method} {path}")
    return found


def check_modelled(params: dict[str, Any], models: frozenset[str]) -> None:
    """Parameters are named as `name` or `name.part`."""
    for name, value in params.items():
        if name == "expand" or name in models:
            continue
        parts = value if isinstance(value, dict) else {"": None}
        for part in parts:
            if f"{name}.{part}" not in models:
                raise not_modelled(f"the parameter {name}{f'[{part}]' if part else ''}")


def listing(found: Iterable[Object], url: str, params: dict[str, Any]) -> Object:
    """A page of a list, newest first, by Stripe's cursors."""
    rows = list(found)
    if after := params.get("starting_after"):
        places = [place for place, row in enumerate(rows) if row["id"] == after]
        if not places:
            raise ApiError(f"No such object: '{after}'", param="starting_after")
        rows = rows[places[0] + 1 :]
    limit = params.get("limit", 10)
    if not 1 <= limit <= 100:
        raise ApiError("Invalid limit: must be between 1 and 100", param="limit")
    return {"object": "list", "data": rows[:limit], "has_more": len(rows) > limit, "url": url}


def merged(old: dict[str, str] | None, new: dict[str, str] | str) -> dict[str, str]:
    """Metadata: an empty value removes its key."""
    if isinstance(new, str):
        return {}
    return {name: value for name, value in ((old or {}) | new).items() if value != ""}

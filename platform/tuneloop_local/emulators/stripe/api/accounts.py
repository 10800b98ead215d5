"""Accounts, connected accounts, webhook endpoints, events."""

from secrets import token_hex

from tuneloop_local.emulators.stripe.api.catalog import PAGE
from tuneloop_local.emulators.stripe.errors import ApiError, missing
from tuneloop_local.emulators.stripe.request import StripeRequest, listing, merged, route
from tuneloop_local.emulators.stripe.store import Account, Object


def shown(call: StripeRequest, account: Account) -> Object:
    found = call.spec.blank("account") | {
        "id": account.id,
        "type": "standard",
        "country": "US",
        "default_currency": "usd",
        "charges_enabled": True,
        "payouts_enabled": True,
        "details_submitted": True,
        "metadata": {},
    }
    found["business_profile"] = call.spec.blank("account_business_profile") | {"name": account.name}
    return found


@route("GET", "/v1/account")
def read_own_account(call: StripeRequest) -> Object:
    return shown(call, call.account)


@route("POST", "/v1/accounts", "type", "email", "country", "business_profile.name", "metadata")
def create_account(call: StripeRequest) -> Object:
    _platform(call)
    if call.params.get("type", "standard") != "standard":
        raise ApiError("The emulator connects standard accounts only.", param="type")
    name = call.params.get("business_profile", {}).get("name") or call.params.get("email") or "Connected account"
    return shown(call, call.world.open_account(name, owner=call.account.id))


@route("GET", "/v1/accounts/{account}")
def read_account(call: StripeRequest) -> Object:
    found = call.world.accounts.get(call.ids["account"])
    if found is None or call.account.id not in (found.id, found.owner):
        raise missing("account", call.ids["account"], param="account")
    return shown(call, found)


@route("POST", "/v1/account_links", "account", "type", "refresh_url", "return_url")
def create_account_link(call: StripeRequest) -> Object:
    found = call.world.accounts.get(call.params["account"])
    if found is None or found.owner != call.account.id:
        raise missing("account", call.params["account"], param="account")
    at = call.account.now
    # Onboarding asks for nothing here, so its page leads straight back.
    return {"object": "account_link", "created": at, "expires_at": at + 300, "url": call.params["return_url"]}


def _platform(call: StripeRequest) -> None:
    if call.account.owner:
        raise ApiError("Connected accounts can't connect others.", status=403)


@route("POST", "/v1/webhook_endpoints", "url", "enabled_events", "description", "metadata", "api_version", "connect")
def create_endpoint(call: StripeRequest) -> Object:
    given = dict(call.params)
    metadata = given.pop("metadata", None) or {}
    if given.pop("connect", False):
        _platform(call)
        metadata["_connect"] = "true"
    return call.make(
        "webhook_endpoint", "we", **given, status="enabled", metadata=metadata, secret=f"whsec_{token_hex(16)}"
    )


@route("GET", "/v1/webhook_endpoints/{webhook_endpoint}")
def read_endpoint(call: StripeRequest) -> Object:
    return _quiet(call.account.get("webhook_endpoint", call.ids["webhook_endpoint"]))


@route("GET", "/v1/webhook_endpoints", *PAGE)
def list_endpoints(call: StripeRequest) -> Object:
    found = (_quiet(each) for each in call.account.newest("webhook_endpoint"))
    return listing(found, "/v1/webhook_endpoints", call.params)


@route("POST", "/v1/webhook_endpoints/{webhook_endpoint}", "url", "enabled_events", "metadata", "disabled")
def update_endpoint(call: StripeRequest) -> Object:
    endpoint = call.account.get("webhook_endpoint", call.ids["webhook_endpoint"])
    given = dict(call.params)
    if "disabled" in given:
        endpoint["status"] = "disabled" if given.pop("disabled") else "enabled"
    if "metadata" in given:
        given["metadata"] = merged(endpoint["metadata"], given["metadata"])
    endpoint |= given
    return _quiet(endpoint)


@route("DELETE", "/v1/webhook_endpoints/{webhook_endpoint}")
def delete_endpoint(call: StripeRequest) -> Object:
    endpoint = call.account.get("webhook_endpoint", call.ids["webhook_endpoint"])
    del call.account.all("webhook_endpoint")[endpoint["id"]]
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


def _quiet(endpoint: Object) -> Object:
    """The secret is told once, when the endpoint is made."""
    return {name: value for name, value in endpoint.items() if name != "secret"}


@route("GET", "/v1/events/{id}")
def read_event(call: StripeRequest) -> Object:
    return call.account.get("event", call.ids["id"])


@route("GET", "/v1/events", *PAGE, "type")
def list_events(call: StripeRequest) -> Object:
    kind = call.params.get("type")
    found = (each for each in call.account.newest("event") if kind in (None, each["type"]))
    return listing(found, "/v1/events", call.params)

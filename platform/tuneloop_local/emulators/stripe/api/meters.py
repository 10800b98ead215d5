"""Meters and their events: each identifier counts once."""

from decimal import Decimal, InvalidOperation

from tuneloop_local.emulators.stripe.api.catalog import PAGE
from tuneloop_local.emulators.stripe.errors import ApiError, not_modelled
from tuneloop_local.emulators.stripe.invoicing import DAY
from tuneloop_local.emulators.stripe.request import StripeRequest, listing, route
from tuneloop_local.emulators.stripe.store import Account, Object, new_object_id

_EARLIEST, _LATEST = 35 * DAY, 300


@route(
    "POST",
    "/v1/billing/meters",
    "display_name",
    "event_name",
    "default_aggregation.formula",
    "customer_mapping.type",
    "customer_mapping.event_payload_key",
    "value_settings.event_payload_key",
)
def create_meter(call: StripeRequest) -> Object:
    given = call.params
    if given["default_aggregation"]["formula"] != "sum":
        raise not_modelled("meters that don't sum")
    if any(each["event_name"] == given["event_name"] for each in call.account.all("billing.meter").values()):
        raise ApiError("There is an active meter with this event name already.", param="event_name")
    return call.make(
        "billing.meter",
        "mtr",
        **{"customer_mapping": {"type": "by_id", "event_payload_key": "stripe_customer_id"}}
        | {"value_settings": {"event_payload_key": "value"}}
        | given,
        status="active",
        updated=call.account.now,
    )


@route("GET", "/v1/billing/meters/{id}")
def read_meter(call: StripeRequest) -> Object:
    return call.account.get("billing.meter", call.ids["id"])


@route("GET", "/v1/billing/meters", *PAGE, "status")
def list_meters(call: StripeRequest) -> Object:
    return listing(call.account.newest("billing.meter"), "/v1/billing/meters", call.params)


@route("POST", "/v1/billing/meter_events", "event_name", "payload", "identifier", "timestamp")
def create_meter_event(call: StripeRequest) -> Object:
    given, at = call.params, call.account.now
    meters = [each for each in call.account.newest("billing.meter") if each["event_name"] == given["event_name"]]
    if not meters:
        raise ApiError(f"No meter listens to {given['event_name']}.", code="no_meter", param="event_name")
    payload, meter = given["payload"], meters[0]
    who, what = meter["customer_mapping"]["event_payload_key"], meter["value_settings"]["event_payload_key"]
    if payload.get(who) not in call.account.all("customer"):
        raise ApiError("The payload names no customer.", code="meter_event_customer_not_found", param=f"payload[{who}]")
    try:
        Decimal(payload.get(what, ""))
    except InvalidOperation as error:
        raise ApiError(
            "The value is not numeric.", code="meter_event_invalid_value", param=f"payload[{what}]"
        ) from error
    moment = given.get("timestamp", at)
    if not at - _EARLIEST <= moment <= at + _LATEST:
        raise ApiError("The timestamp must be within the last 35 days and not in the future.", param="timestamp")
    identifier = given.get("identifier") or new_object_id("mev")
    if any(each["identifier"] == identifier for each in call.account.all("billing.meter_event").values()):
        raise ApiError(
            f"An event already exists with identifier {identifier}.", code="resource_already_exists", param="identifier"
        )
    event = call.spec.blank("billing.meter_event") | {
        "object": "billing.meter_event",
        "created": at,
        "event_name": given["event_name"],
        "identifier": identifier,
        "payload": payload,
        "timestamp": moment,
        "livemode": False,
    }
    call.account.all("billing.meter_event")[identifier] = event
    return event


@route("GET", "/v1/billing/meters/{id}/event_summaries", *PAGE, "customer", "start_time", "end_time")
def list_summaries(call: StripeRequest) -> Object:
    meter = call.account.get("billing.meter", call.ids["id"])
    start, end = call.params["start_time"], call.params["end_time"]
    if start % 60 or end % 60:
        raise ApiError("Timestamps must be aligned with minute boundaries.", param="start_time")
    summary = {
        "id": new_object_id("mtrusg"),
        "object": "billing.meter_event_summary",
        "aggregated_value": float(usage(call.account, meter["id"], call.params["customer"], start, end)),
        "start_time": start,
        "end_time": end,
        "meter": meter["id"],
        "livemode": False,
    }
    return listing([summary], f"/v1/billing/meters/{meter['id']}/event_summaries", call.params)


def usage(account: Account, meter_id: str, customer: str, start: int, end: int) -> Decimal:
    """Sum of a customer's events from `start` up to but not including `end`."""
    meter = account.get("billing.meter", meter_id)
    who, what = meter["customer_mapping"]["event_payload_key"], meter["value_settings"]["event_payload_key"]
    return sum(
        (
            Decimal(each["payload"][what])
            for each in account.all("billing.meter_event").values()
            if each["event_name"] == meter["event_name"]
            and each["payload"][who] == customer
            and start <= each["timestamp"] < end
        ),
        Decimal(),
    )

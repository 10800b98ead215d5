"""Schedules: what a subscription changes to, and when."""

from tuneloop_local.emulators.stripe.api.terms import price_of
from tuneloop_local.emulators.stripe.errors import ApiError, not_modelled
from tuneloop_local.emulators.stripe.request import StripeRequest, merged, route
from tuneloop_local.emulators.stripe.store import Object


@route("POST", "/v1/subscription_schedules", "from_subscription")
def create_schedule(call: StripeRequest) -> Object:
    if "from_subscription" not in call.params:
        raise not_modelled("schedules that start a subscription")
    subscription = call.account.get("subscription", call.params["from_subscription"], param="from_subscription")
    if subscription["schedule"]:
        raise ApiError("This subscription has a schedule already.", param="from_subscription")
    first = subscription["items"]["data"][0]
    items = [{"price": each["price"]["id"], "quantity": each["quantity"]} for each in subscription["items"]["data"]]
    phase = _phase(
        call,
        subscription,
        {"items": items, "start_date": first["current_period_start"], "end_date": first["current_period_end"]},
    )
    schedule = call.make(
        "subscription_schedule",
        "sub_sched",
        customer=subscription["customer"],
        subscription=subscription["id"],
        status="active",
        end_behavior="release",
        billing_mode={"type": "classic", "flexible": None},
        default_settings=_schedule_settings(call),
        phases=[phase],
        current_phase={"start_date": phase["start_date"], "end_date": phase["end_date"]},
    )
    subscription["schedule"] = schedule["id"]
    call.tell("subscription_schedule.created", schedule)
    return schedule


def _schedule_settings(call: StripeRequest) -> Object:
    settings = call.spec.blank("subscription_schedules_resource_default_settings")
    invoicing: Object = {"issuer": {"type": "self"}, "account_tax_ids": None, "days_until_due": None}
    return settings | {"billing_cycle_anchor": "automatic", "invoice_settings": invoicing}


@route("POST", "/v1/subscription_schedules/{schedule}", "phases", "end_behavior", "metadata", "proration_behavior")
def update_schedule(call: StripeRequest) -> Object:
    schedule = call.account.get("subscription_schedule", call.ids["schedule"])
    if schedule["status"] != "active":
        raise ApiError(f"This schedule is {schedule['status']}.")
    subscription = call.account.get("subscription", schedule["subscription"])
    if "phases" in call.params:
        phases = [_phase(call, subscription, each) for each in call.params["phases"]]
        if phases[0]["start_date"] != schedule["phases"][0]["start_date"]:
            raise ApiError("The first phase must start when the current one did.", param="phases[0][start_date]")
        schedule["phases"] = phases
    schedule["end_behavior"] = call.params.get("end_behavior", schedule["end_behavior"])
    if "metadata" in call.params:
        schedule["metadata"] = merged(schedule["metadata"], call.params["metadata"])
    call.tell("subscription_schedule.updated", schedule)
    return schedule


def _phase(call: StripeRequest, subscription: Object, given: Object) -> Object:
    allowed = {"items", "start_date", "end_date", "proration_behavior", "metadata"}
    if unknown := set(given) - allowed:
        raise not_modelled(f"the phase parameters {', '.join(sorted(unknown))}")
    if "start_date" not in given or "end_date" not in given or not isinstance(given["start_date"], int):
        raise not_modelled("phases without start_date and end_date")
    items = []
    for each in given["items"]:
        made = call.spec.blank("subscription_schedule_configuration_item")
        made |= {"price": price_of(call, each)["id"], "quantity": each.get("quantity", 1), "discounts": []}
        items.append(made | {"plan": None} if "plan" in made else made)
    phase = call.spec.blank("subscription_schedule_phase_configuration")
    return phase | {
        "items": items,
        "start_date": given["start_date"],
        "end_date": given["end_date"],
        "currency": subscription["currency"],
        "proration_behavior": given.get("proration_behavior", "create_prorations"),
        "metadata": given.get("metadata") or {},
    }


@route("GET", "/v1/subscription_schedules/{schedule}")
def read_schedule(call: StripeRequest) -> Object:
    return call.account.get("subscription_schedule", call.ids["schedule"])


@route("POST", "/v1/subscription_schedules/{schedule}/release")
def release_schedule(call: StripeRequest) -> Object:
    schedule = call.account.get("subscription_schedule", call.ids["schedule"])
    if schedule["status"] != "active":
        raise ApiError(f"This schedule is {schedule['status']}.")
    release(call, schedule)
    return schedule


def release(call: StripeRequest, schedule: Object) -> None:
    subscription = call.account.get("subscription", schedule["subscription"])
    subscription["schedule"] = None
    schedule |= {
        "status": "released",
        "released_at": call.account.now,
        "released_subscription": subscription["id"],
        "subscription": None,
        "current_phase": None,
    }
    call.tell("subscription_schedule.released", schedule)

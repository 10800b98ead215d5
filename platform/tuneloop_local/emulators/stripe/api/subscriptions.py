"""Subscriptions."""

from tuneloop_local.emulators.stripe.api.catalog import PAGE
from tuneloop_local.emulators.stripe.api.changes import change_items, prorate
from tuneloop_local.emulators.stripe.api.terms import (
    discounts_of,
    months_of,
    new_item,
    price_of,
    refuse_tax,
    trial_end_of,
)
from tuneloop_local.emulators.stripe.calendar import add_months
from tuneloop_local.emulators.stripe.errors import ApiError, not_modelled
from tuneloop_local.emulators.stripe.invoicing import attempt, draft, finalize, subscription_line
from tuneloop_local.emulators.stripe.request import StripeRequest, listing, merged, route
from tuneloop_local.emulators.stripe.store import Object

_SHARED = (
    "items",
    "default_payment_method",
    "collection_method",
    "days_until_due",
    "metadata",
    "description",
    "discounts",
    "proration_behavior",
    "payment_behavior",
    "cancel_at_period_end",
    "trial_end",
    "off_session",
    "automatic_tax.enabled",
)
_LIVE = ("trialing", "active", "past_due", "incomplete", "paused")


@route("POST", "/v1/subscriptions", *_SHARED, "customer", "trial_period_days", "billing_cycle_anchor")
def create_subscription(call: StripeRequest) -> Object:
    given, at = dict(call.params), call.account.now
    refuse_tax(given)
    customer = call.named("customer")
    wanted = given.get("items") or []
    if not wanted:
        raise ApiError("Missing required param: items.", code="parameter_missing", param="items")
    prices = [price_of(call, each) for each in wanted]
    if len({price["currency"] for price in prices}) > 1:
        raise ApiError("All prices of a subscription must be in the same currency.", param="items")
    trial_end = trial_end_of(given, at)
    anchor = trial_end or given.get("billing_cycle_anchor") or at
    months = months_of(prices[0])
    if anchor > add_months(at, months) and trial_end is None:
        raise ApiError("billing_cycle_anchor is later than the next natural billing date", param="billing_cycle_anchor")
    end = trial_end or (anchor if anchor > at else add_months(at, months))
    method = given.get("collection_method", "charge_automatically")
    if (method == "send_invoice") != ("days_until_due" in given):
        raise ApiError("days_until_due goes with collection_method=send_invoice.", param="days_until_due")
    subscription = call.make(
        "subscription",
        "sub",
        customer=customer["id"],
        currency=prices[0]["currency"],
        status="trialing" if trial_end else "active",
        billing_cycle_anchor=anchor,
        start_date=at,
        trial_start=at if trial_end else None,
        trial_end=trial_end,
        collection_method=method,
        days_until_due=given.get("days_until_due"),
        default_payment_method=given.get("default_payment_method"),
        description=given.get("description"),
        metadata=given.get("metadata") or {},
        default_tax_rates=[],
        items={"object": "list", "data": [], "has_more": False, "url": ""},
        invoice_settings={"issuer": {"type": "self"}, "account_tax_ids": None},
        billing_mode={"type": "classic", "flexible": None},
        cancel_at_period_end=given.get("cancel_at_period_end", False),
        discounts=[],
    )
    subscription["items"]["url"] = f"/v1/subscription_items?subscription={subscription['id']}"
    subscription["discounts"] = discounts_of(call, given, subscription)
    for each, price in zip(wanted, prices, strict=True):
        subscription["items"]["data"].append(new_item(call, subscription, price, each, (at, end)))
    customer["currency"] = subscription["currency"]
    _first_invoice(call, subscription, customer, (at, end), months, given)
    call.tell("customer.subscription.created", subscription)
    return subscription


def _first_invoice(
    call: StripeRequest, subscription: Object, customer: Object, period: tuple[int, int], months: int, given: Object
) -> None:
    """For the whole period, or the part of it before a later anchor; nothing during a trial."""
    start, end = period
    full = end - add_months(end, -months)
    lines = []
    for item in subscription["items"]["data"]:
        whole = item["price"]["unit_amount"] * item["quantity"]
        share = (end - start) / full if given.get("proration_behavior") != "none" or end - start == full else 0.0
        name = call.account.get("product", item["price"]["product"])["name"]
        amount = 0 if subscription["trial_end"] else round(whole * min(share, 1.0))
        text = f"Trial period for {name}" if subscription["trial_end"] else f"{item['quantity']} x {name}"
        lines.append(subscription_line(call, subscription, item, amount=amount, description=text, period=period))
    behaviour = given.get("payment_behavior", "allow_incomplete")
    invoice = draft(
        call,
        customer,
        currency=subscription["currency"],
        reason="subscription_create",
        subscription=subscription,
        lines=lines,
    )
    finalize(call, invoice)
    if invoice["status"] == "paid" or subscription["collection_method"] == "send_invoice":
        invoice["auto_advance"] = invoice["status"] != "paid"
        return
    if behaviour == "default_incomplete" or not attempt(call, invoice):
        if behaviour == "error_if_incomplete":
            raise ApiError("Your card was declined.", status=402, kind="card_error", code="card_declined")
        subscription["status"] = "incomplete"


@route("GET", "/v1/subscriptions/{subscription_exposed_id}")
def read_subscription(call: StripeRequest) -> Object:
    return call.account.get("subscription", call.ids["subscription_exposed_id"])


@route("GET", "/v1/subscriptions", *PAGE, "customer", "status")
def list_subscriptions(call: StripeRequest) -> Object:
    customer, status = call.params.get("customer"), call.params.get("status")
    found = (each for each in call.account.newest("subscription") if customer in (None, each["customer"]))
    if status not in (None, "all"):
        found = (each for each in found if each["status"] == status)
    elif status is None:
        found = (each for each in found if each["status"] != "canceled")
    return listing(found, "/v1/subscriptions", call.params)


@route(
    "POST",
    "/v1/subscriptions/{subscription_exposed_id}",
    *_SHARED,
    "proration_date",
    "pause_collection",
    "pause_collection.behavior",
)
def update_subscription(call: StripeRequest) -> Object:
    subscription = call.account.get("subscription", call.ids["subscription_exposed_id"])
    if subscription["status"] not in _LIVE:
        raise ApiError("A canceled subscription can only update its cancellation_details and metadata.")
    given, before = dict(call.params), dict(subscription)
    refuse_tax(given)
    if subscription["schedule"] and "items" in given:
        raise ApiError("The subscription is managed by a subscription schedule; update the schedule, or release it.")
    for name in (
        "default_payment_method",
        "description",
        "cancel_at_period_end",
        "collection_method",
        "days_until_due",
    ):
        if name in given:
            subscription[name] = given[name]
    if "metadata" in given:
        subscription["metadata"] = merged(subscription["metadata"], given["metadata"])
    if "discounts" in given:
        subscription["discounts"] = discounts_of(call, given, subscription)
    _pause_or_end(call, subscription, given)
    if given.get("items"):
        change_items(call, subscription, given["items"], given)
    previous = {name: before[name] for name in before if before[name] != subscription[name]}
    if previous or given.get("items"):
        call.tell("customer.subscription.updated", subscription, previous)
    return subscription


def _pause_or_end(call: StripeRequest, subscription: Object, given: Object) -> None:
    if "pause_collection" in given:
        pause = given["pause_collection"]
        subscription["pause_collection"] = {"resumes_at": None} | pause if isinstance(pause, dict) else None
    if "cancel_at_period_end" in given:
        ends = subscription["items"]["data"][0]["current_period_end"]
        subscription["cancel_at"] = ends if given["cancel_at_period_end"] else None
        subscription["canceled_at"] = call.account.now if given["cancel_at_period_end"] else None


@route("DELETE", "/v1/subscriptions/{subscription_exposed_id}", "invoice_now", "prorate")
def cancel_subscription(call: StripeRequest) -> Object:
    subscription = call.account.get("subscription", call.ids["subscription_exposed_id"])
    if subscription["status"] == "canceled":
        raise ApiError(f"No such subscription: '{subscription['id']}'", status=404, code="resource_missing", param="id")
    if call.params.get("prorate"):
        for item in subscription["items"]["data"]:
            prorate(call, subscription, item, (item["price"], -item["quantity"]), call.account.now)
    if call.params.get("invoice_now"):
        raise not_modelled("invoice_now when cancelling")
    end_subscription(call, subscription)
    return subscription


def end_subscription(call: StripeRequest, subscription: Object) -> None:
    at = call.account.now
    subscription |= {"status": "canceled", "ended_at": at, "canceled_at": subscription["canceled_at"] or at}
    if subscription["schedule"]:
        schedule = call.account.get("subscription_schedule", subscription["schedule"])
        schedule |= {"status": "canceled", "canceled_at": at, "current_phase": None}
    call.tell("customer.subscription.deleted", subscription)

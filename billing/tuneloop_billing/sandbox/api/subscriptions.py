"""Subscriptions and their schedules."""

from typing import Any

from tuneloop_billing.sandbox.api.catalog import PAGE
from tuneloop_billing.sandbox.api.invoices import add_item
from tuneloop_billing.sandbox.calendar import add_months
from tuneloop_billing.sandbox.call import Call, listing, merged, route
from tuneloop_billing.sandbox.errors import ApiError, not_modelled
from tuneloop_billing.sandbox.invoicing import DAY, attempt, draft, finalize, subscription_line
from tuneloop_billing.sandbox.world import Object, new_object_id

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
def create_subscription(call: Call) -> Object:
    given, at = dict(call.params), call.account.now
    _refuse_tax(given)
    customer = call.named("customer")
    wanted = given.get("items") or []
    if not wanted:
        raise ApiError("Missing required param: items.", code="parameter_missing", param="items")
    prices = [_price(call, each) for each in wanted]
    if len({price["currency"] for price in prices}) > 1:
        raise ApiError("All prices of a subscription must be in the same currency.", param="items")
    trial_end = _trial_end(given, at)
    anchor = trial_end or given.get("billing_cycle_anchor") or at
    months = _months(prices[0])
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
    subscription["discounts"] = _discounts(call, given, subscription)
    for each, price in zip(wanted, prices, strict=True):
        subscription["items"]["data"].append(_item(call, subscription, price, each, (at, end)))
    customer["currency"] = subscription["currency"]
    _first_invoice(call, subscription, customer, (at, end), months, given)
    call.tell("customer.subscription.created", subscription)
    return subscription


def _first_invoice(
    call: Call, subscription: Object, customer: Object, period: tuple[int, int], months: int, given: Object
) -> None:
    """For the whole period, or the part of it before a later anchor; nothing during a trial."""
    start, end = period
    full = end - add_months(end, -months)
    lines = []
    for item in subscription["items"]["data"]:
        if _metered(item):
            continue
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
def read_subscription(call: Call) -> Object:
    return call.account.get("subscription", call.ids["subscription_exposed_id"])


@route("GET", "/v1/subscriptions", *PAGE, "customer", "status")
def list_subscriptions(call: Call) -> Object:
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
def update_subscription(call: Call) -> Object:
    subscription = call.account.get("subscription", call.ids["subscription_exposed_id"])
    if subscription["status"] not in _LIVE:
        raise ApiError("A canceled subscription can only update its cancellation_details and metadata.")
    given, before = dict(call.params), dict(subscription)
    _refuse_tax(given)
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
        subscription["discounts"] = _discounts(call, given, subscription)
    _pause_or_end(call, subscription, given)
    if given.get("items"):
        change_items(call, subscription, given["items"], given)
    previous = {name: before[name] for name in before if before[name] != subscription[name]}
    if previous or given.get("items"):
        call.tell("customer.subscription.updated", subscription, previous)
    return subscription


def _pause_or_end(call: Call, subscription: Object, given: Object) -> None:
    if "pause_collection" in given:
        pause = given["pause_collection"]
        subscription["pause_collection"] = {"resumes_at": None} | pause if isinstance(pause, dict) else None
    if "cancel_at_period_end" in given:
        ends = subscription["items"]["data"][0]["current_period_end"]
        subscription["cancel_at"] = ends if given["cancel_at_period_end"] else None
        subscription["canceled_at"] = call.account.now if given["cancel_at_period_end"] else None


def change_items(call: Call, subscription: Object, wanted: list[Object], given: Object) -> None:
    """New prices or quantities; the rest of the period is credited and charged to the second."""
    behaviour = given.get("proration_behavior", "create_prorations")
    at = given.get("proration_date", call.account.now)
    by_id = {item["id"]: item for item in subscription["items"]["data"]}
    for each in wanted:
        item = by_id.get(each.get("id", ""))
        if item is None:
            raise (
                not_modelled("items added to a subscription")
                if "id" not in each
                else ApiError(f"No such subscription item: '{each['id']}'", param="items")
            )
        old, old_quantity = item["price"], item["quantity"]
        new = _price(call, each) if "price" in each else old
        quantity = each.get("quantity", old_quantity)
        if new["currency"] != old["currency"]:
            raise ApiError("The currency of a subscription can't be changed.", param="items")
        if _months(new) != _months(old):
            raise not_modelled("a change of the billing interval")
        if behaviour != "none" and subscription["status"] != "trialing":
            _prorate(call, subscription, item, (old, -old_quantity), at)
            _prorate(call, subscription, item, (new, quantity), at)
        item["price"], item["quantity"] = new, quantity
    if behaviour == "always_invoice" and subscription["status"] != "trialing":
        customer = call.account.get("customer", subscription["customer"])
        invoice = draft(
            call, customer, currency=subscription["currency"], reason="subscription_update", subscription=subscription
        )
        invoice["auto_advance"] = True
        finalize(call, invoice)


def _prorate(call: Call, subscription: Object, item: Object, part: tuple[Object, int], at: int) -> None:
    price, quantity = part
    start, end = item["current_period_start"], item["current_period_end"]
    if not start <= at <= end:
        raise ApiError("Invalid proration_date: it must be within the current period.", param="proration_date")
    amount = round(price["unit_amount"] * quantity * (end - at) / (end - start))
    name = call.account.get("product", price["product"])["name"]
    what = "Unused" if quantity < 0 else "Remaining"
    add_item(
        call,
        subscription=subscription["id"],
        proration=True,
        customer=subscription["customer"],
        amount=amount,
        currency=price["currency"],
        description=f"{what} time on {name}",
        metadata={},
        discountable=False,
        period={"start": at, "end": end},
    )


@route("DELETE", "/v1/subscriptions/{subscription_exposed_id}", "invoice_now", "prorate")
def cancel_subscription(call: Call) -> Object:
    subscription = call.account.get("subscription", call.ids["subscription_exposed_id"])
    if subscription["status"] == "canceled":
        raise ApiError(f"No such subscription: '{subscription['id']}'", status=404, code="resource_missing", param="id")
    if call.params.get("prorate"):
        for item in subscription["items"]["data"]:
            _prorate(call, subscription, item, (item["price"], -item["quantity"]), call.account.now)
    if call.params.get("invoice_now"):
        raise not_modelled("invoice_now when cancelling")
    end_subscription(call, subscription)
    return subscription


def end_subscription(call: Call, subscription: Object) -> None:
    at = call.account.now
    subscription |= {"status": "canceled", "ended_at": at, "canceled_at": subscription["canceled_at"] or at}
    if subscription["schedule"]:
        schedule = call.account.get("subscription_schedule", subscription["schedule"])
        schedule |= {"status": "canceled", "canceled_at": at, "current_phase": None}
    call.tell("customer.subscription.deleted", subscription)


@route("POST", "/v1/subscription_schedules", "from_subscription")
def create_schedule(call: Call) -> Object:
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


def _schedule_settings(call: Call) -> Object:
    settings = call.spec.blank("subscription_schedules_resource_default_settings")
    invoicing: Object = {"issuer": {"type": "self"}, "account_tax_ids": None, "days_until_due": None}
    return settings | {"billing_cycle_anchor": "automatic", "invoice_settings": invoicing}


@route("POST", "/v1/subscription_schedules/{schedule}", "phases", "end_behavior", "metadata", "proration_behavior")
def update_schedule(call: Call) -> Object:
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


def _phase(call: Call, subscription: Object, given: Object) -> Object:
    allowed = {"items", "start_date", "end_date", "proration_behavior", "metadata"}
    if unknown := set(given) - allowed:
        raise not_modelled(f"the phase parameters {', '.join(sorted(unknown))}")
    if "start_date" not in given or "end_date" not in given or not isinstance(given["start_date"], int):
        raise not_modelled("phases without start_date and end_date")
    items = []
    for each in given["items"]:
        made = call.spec.blank("subscription_schedule_configuration_item")
        made |= {"price": _price(call, each)["id"], "quantity": each.get("quantity", 1), "discounts": []}
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
def read_schedule(call: Call) -> Object:
    return call.account.get("subscription_schedule", call.ids["schedule"])


@route("POST", "/v1/subscription_schedules/{schedule}/release")
def release_schedule(call: Call) -> Object:
    schedule = call.account.get("subscription_schedule", call.ids["schedule"])
    if schedule["status"] != "active":
        raise ApiError(f"This schedule is {schedule['status']}.")
    release(call, schedule)
    return schedule


def release(call: Call, schedule: Object) -> None:
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


def _item(call: Call, subscription: Object, price: Object, given: Object, period: tuple[int, int]) -> Object:
    made = call.spec.blank("subscription_item") | {
        "id": new_object_id("si"),
        "created": call.account.now,
        "price": price,
        "subscription": subscription["id"],
        "current_period_start": period[0],
        "current_period_end": period[1],
        "discounts": [],
        "tax_rates": [],
        "metadata": given.get("metadata") or {},
        "quantity": given.get("quantity", 1),
    }
    made.pop("billing_thresholds", None)
    return made


def _price(call: Call, given: Object) -> Object:
    if "price" not in given:
        raise not_modelled("subscription items without a price id")
    price = call.account.get("price", given["price"], param="items[0][price]")
    if not price["active"]:
        raise ApiError(
            "The price specified is inactive. This field only accepts active prices.", param="items[0][price]"
        )
    if price["type"] != "recurring":
        raise ApiError(
            "The price specified is set to type=one_time; recurring ones are needed.", param="items[0][price]"
        )
    return price


def _metered(item: Object) -> bool:
    return bool(item["price"]["recurring"]["usage_type"] == "metered")


def _months(price: Object) -> int:
    recurring = price["recurring"]
    return int(recurring["interval_count"]) * (12 if recurring["interval"] == "year" else 1)


def _trial_end(given: Object, at: int) -> int | None:
    if "trial_period_days" in given:
        return at + int(given["trial_period_days"]) * DAY if given["trial_period_days"] else None
    end: Any = given.get("trial_end")
    if end is None or end == "now":
        return None
    if not isinstance(end, int):
        end = int(end)
    if end <= at:
        raise ApiError("trial_end must be in the future.", param="trial_end")
    return int(end)


def _discounts(call: Call, given: Object, subscription: Object) -> list[str]:
    found = []
    for each in given.get("discounts") or []:
        if set(each) != {"coupon"}:
            raise not_modelled("discounts other than coupons")
        coupon = call.account.get("coupon", each["coupon"], param="discounts[0][coupon]")
        coupon["times_redeemed"] += 1
        source = {"type": "coupon", "coupon": coupon["id"]}
        discount = call.make(
            "discount",
            "di",
            source=source,
            start=call.account.now,
            customer=subscription["customer"],
            subscription=subscription["id"],
        )
        found.append(discount["id"])
    return found


def _refuse_tax(given: Object) -> None:
    if (given.pop("automatic_tax", None) or {}).get("enabled"):
        raise not_modelled("tax: it depends on Stripe's own tables of rates")

"""Customers, prices and subscriptions at Stripe: brought from how they are to how they should be."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from tuneloop.kit.clock import now
from tuneloop.tables import SubscriptionState as S
from tuneloop_billing.payment_provider.edge import CLIENT, Client, found, get, moment, moment_or_none, seconds
from tuneloop_billing.payment_provider.protocol import Payer, Price, SubscriptionFacts, Wanted

PLAN, SUBSCRIPTION = "tuneloop_plan", "tuneloop_subscription"
DAYS_UNTIL_DUE = 14
_STATES = {"trialing": S.TRIAL, "active": S.ACTIVE, "canceled": S.CANCELLED, "incomplete_expired": S.CANCELLED}


def ensure_price(client: Client, price: Price, *, sold: bool = True) -> str:
    """The id of a Stripe price for a plan at its price; its product carries the plan's id and name."""
    product_id = f"tl_{price.plan_id.hex}"
    product = found(lambda: client.products.retrieve(product_id))
    if product is None:
        client.products.create(
            {"id": product_id, "name": price.name, "metadata": {PLAN: str(price.plan_id)}},
            {"idempotency_key": f"{product_id}:product"},
        )
    elif (product.name, product.active) != (price.name, sold):
        client.products.update(product_id, {"name": price.name, "active": sold})
    key = f"{product_id}_{price.amount}_{price.currency}"
    known = client.prices.list({"lookup_keys": [key], "limit": 1}).data
    if known:
        return str(known[0].id)
    made = client.prices.create(
        {
            "product": product_id,
            "currency": price.currency,
            "unit_amount": price.amount,
            "recurring": {"interval": "month"},
            "lookup_key": key,
            "metadata": {PLAN: str(price.plan_id)},
        },
        {"idempotency_key": f"{key}:price"},
    )
    return str(made.id)


def ensure_customer(client: Client, payer: Payer) -> Any:
    details: dict[str, Any] = {"name": payer.name, "metadata": {CLIENT: str(payer.client_id)}}
    if payer.email:
        details["email"] = payer.email
    if payer.customer is None:
        content = sha256(repr(sorted(details.items())).encode()).hexdigest()[:12]
        return client.customers.create(details, {"idempotency_key": f"{payer.client_id}:customer:{content}"})
    customer = client.customers.retrieve(payer.customer)
    if (customer.name, customer.email) != (payer.name, payer.email or customer.email):
        customer = client.customers.update(payer.customer, details)
    return customer


def apply(client: Client, wanted: Wanted) -> SubscriptionFacts | None:
    """Bring the subscription to what is wanted; None when it is cancelled and never was at Stripe."""
    subscription = client.subscriptions.retrieve(wanted.subscription) if wanted.subscription else None
    if wanted.state is S.CANCELLED:
        if subscription is not None and subscription.status != "canceled":
            subscription = client.subscriptions.cancel(subscription.id, {})
        return facts_of(client, subscription) if subscription is not None else None
    customer = ensure_customer(client, wanted.payer)
    price = ensure_price(client, wanted.price)
    if subscription is None or subscription.status in ("canceled", "incomplete_expired"):
        subscription = client.subscriptions.create(
            _order(wanted, customer, price),
            {"idempotency_key": f"{wanted.subscription_id}:{seconds(wanted.started_at)}:subscription"},
        )
    else:
        _change(client, wanted, subscription, price)
    _schedule(client, wanted, client.subscriptions.retrieve(subscription.id), price)
    return facts_of(client, client.subscriptions.retrieve(subscription.id))


def _order(wanted: Wanted, customer: Any, price: str) -> dict[str, Any]:
    order: dict[str, Any] = {
        "customer": customer.id,
        "items": [{"price": price}],
        "metadata": {SUBSCRIPTION: str(wanted.subscription_id), CLIENT: str(wanted.payer.client_id)},
    }
    if get(customer, "invoice_settings", "default_payment_method"):
        order["collection_method"] = "charge_automatically"
    else:
        order |= {"collection_method": "send_invoice", "days_until_due": DAYS_UNTIL_DUE}
    if wanted.trial_ends_at is not None and wanted.trial_ends_at > now() + timedelta(minutes=5):
        order["trial_end"] = seconds(wanted.trial_ends_at)
    elif wanted.anchor > now():
        order["billing_cycle_anchor"] = seconds(wanted.anchor)
    if wanted.coupon:
        order["discounts"] = [{"coupon": wanted.coupon}]
    if wanted.automatic_tax:
        order["automatic_tax"] = {"enabled": True}
    if wanted.cancel_at_period_end:
        order["cancel_at_period_end"] = True
    return order


def _change(client: Client, wanted: Wanted, there: Any, price: str) -> None:
    changes: dict[str, Any] = {}
    item = there["items"].data[0]
    if item.price.id != price:
        if there.schedule:
            client.subscription_schedules.release(there.schedule, {})
        # A new price of the same plan holds from the next invoice on; another plan is settled at once.
        same_plan = str(item.price.product) == f"tl_{wanted.price.plan_id.hex}"
        changes["items"] = [{"id": item.id, "price": price}]
        changes["proration_behavior"] = "none" if same_plan else "create_prorations"
    if there.cancel_at_period_end != wanted.cancel_at_period_end:
        changes["cancel_at_period_end"] = wanted.cancel_at_period_end
    paused = there.pause_collection is not None
    if paused != (wanted.state is S.PAUSED):
        changes["pause_collection"] = {"behavior": "void"} if wanted.state is S.PAUSED else ""
    if changes:
        key = f"{wanted.subscription_id}:{wanted.revision}:change"
        client.subscriptions.update(there.id, changes, {"idempotency_key": key})


def _schedule(client: Client, wanted: Wanted, there: Any, price: str) -> None:
    """A cheaper plan from the end of the period on, or no longer."""
    if wanted.then is None:
        if there.schedule:
            client.subscription_schedules.release(there.schedule, {})
        return
    then = ensure_price(client, wanted.then)
    if there.schedule:
        schedule = client.subscription_schedules.retrieve(there.schedule)
    else:
        schedule = client.subscription_schedules.create(
            {"from_subscription": there.id},
            {"idempotency_key": f"{wanted.subscription_id}:{wanted.revision}:schedule"},
        )
    item = there["items"].data[0]
    planned = [get(phase, "items")[0].price for phase in schedule.phases[1:]]
    if planned == [then]:
        return
    month = item.current_period_end - item.current_period_start
    client.subscription_schedules.update(
        schedule.id,
        {
            "end_behavior": "release",
            "phases": [
                {
                    "items": [{"price": price, "quantity": 1}],
                    "start_date": schedule.phases[0].start_date,
                    "end_date": item.current_period_end,
                },
                {
                    "items": [{"price": then, "quantity": 1}],
                    "start_date": item.current_period_end,
                    "end_date": item.current_period_end + month,
                    "metadata": {PLAN: str(wanted.then.plan_id)},
                },
            ],
        },
    )


def facts_of(client: Client, there: Any) -> SubscriptionFacts:
    item = there["items"].data[0]
    state = _STATES.get(there.status, S.PAST_DUE)
    if there.pause_collection and state is not S.CANCELLED:
        state = S.PAUSED
    return SubscriptionFacts(
        id=there.id,
        customer=_id(there.customer),
        state=state,
        since=_since(client, there, state),
        plan_id=_plan_of(item.price.product),
        amount=item.price.unit_amount,
        currency=there.currency,
        period_start=moment(item.current_period_start),
        period_end=moment(item.current_period_end),
        trial_ends_at=moment_or_none(there.trial_end),
        cancel_at_period_end=there.cancel_at_period_end,
        next_plan_id=_next_plan(client, there),
    )


def _next_plan(client: Client, there: Any) -> UUID | None:
    if not there.schedule:
        return None
    schedule = client.subscription_schedules.retrieve(there.schedule)
    current = get(schedule, "current_phase", "end_date")
    later = [phase for phase in schedule.phases if current and phase.start_date >= current]
    return UUID(later[0].metadata[PLAN]) if later and PLAN in (later[0].metadata or {}) else None


def _since(client: Client, there: Any, state: S) -> datetime:
    """From what Stripe knows, so that it is the same in whatever order we learn of it."""
    if state is S.CANCELLED:
        return moment(there.ended_at or there.canceled_at)
    if state is S.PAST_DUE:
        unpaid = client.invoices.list({"subscription": there.id, "status": "open", "limit": 100}).data
        fell_due = [each.due_date or each.status_transitions.finalized_at for each in unpaid]
        return moment(min(fell_due, default=there["items"].data[0].current_period_start))
    if state is S.TRIAL or not there.trial_end:
        return moment(there.start_date)
    return moment(max(there.start_date, min(there.trial_end, there["items"].data[0].current_period_start)))


def _plan_of(product: Any) -> UUID | None:
    name = _id(product)
    try:
        return UUID(name.removeprefix("tl_")) if name.startswith("tl_") else None
    except ValueError:
        return None


def _id(subject: Any) -> str:
    return str(subject if isinstance(subject, str) else subject.id)

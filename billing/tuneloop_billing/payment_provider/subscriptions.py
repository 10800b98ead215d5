"""Customers, prices and subscriptions at Stripe: brought from how they are to how they should be."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import stripe

from tuneloop.kit.clock import now
from tuneloop.tables import SubscriptionState as S
from tuneloop_billing.payment_provider.edge import (
    CLIENT,
    Client,
    found,
    get,
    id_of,
    moment,
    moment_or_none,
    present,
    seconds,
)
from tuneloop_billing.payment_provider.protocol import GoneAtProvider, Payer, Price, SubscriptionFacts, Wanted

PLAN, SUBSCRIPTION = "tuneloop_plan", "tuneloop_subscription"
DAYS_UNTIL_DUE = 14
_ENDED = ("canceled", "incomplete_expired")
_STATES = {"trialing": S.TRIAL, "active": S.ACTIVE, "paused": S.PAUSED} | dict.fromkeys(_ENDED, S.CANCELLED)


class EnsuredPrice(NamedTuple):
    """`mended` says what somebody had changed at Stripe."""

    id: str
    mended: list[str]


def ensure_price(client: Client, price: Price, *, sold: bool = True) -> EnsuredPrice:
    """A Stripe price for a plan at its price; its product carries the plan's id and name.

    One that was archived is active again; one that is no longer what its lookup key says gives the key up.
    """
    product_id = f"tl_{price.plan_id.hex}"
    mended = _ensure_product(client, price, product_id, sold=sold)
    key = f"{product_id}_{price.amount}_{price.currency}"
    listed = [client.prices.list({"lookup_keys": [key], "limit": 1, "active": active}).data for active in (True, False)]
    there = next((each for prices in listed for each in prices), None)
    if there is not None and _is_price(there, price, product_id):
        if not there.active:
            client.prices.update(there.id, {"active": True})
            mended.append("its price was archived, and is active again")
        return EnsuredPrice(str(there.id), mended)
    order: dict[str, Any] = {
        "product": product_id,
        "currency": price.currency,
        "unit_amount": price.amount,
        "recurring": {"interval": "month"},
        "lookup_key": key,
        "metadata": {PLAN: str(price.plan_id)},
    }
    if there is not None:
        order["transfer_lookup_key"] = True
        mended.append("its lookup key was on another price, and is on one of its own again")
    made = client.prices.create(order, {"idempotency_key": f"{key}:{there.id if there else 'first'}:price"})
    return EnsuredPrice(str(made.id), mended)


def _ensure_product(client: Client, price: Price, product_id: str, *, sold: bool) -> list[str]:
    product = found(lambda: client.products.retrieve(product_id))
    if product is None:
        try:
            client.products.create({"id": product_id, "name": price.name, "metadata": {PLAN: str(price.plan_id)}})
        except stripe.InvalidRequestError as error:
            if error.code != "resource_already_exists":  # another worker was faster
                raise
    elif (product.name, product.active) != (price.name, sold):
        client.products.update(product_id, {"name": price.name, "active": sold})
        if sold and not product.active:
            return ["its product was archived, and is active again"]
    return []


def _is_price(there: Any, price: Price, product_id: str) -> bool:
    monthly = (get(there, "recurring", "interval"), get(there, "recurring", "interval_count")) == ("month", 1)
    content = (there.unit_amount, there.currency, id_of(there.product))
    return monthly and content == (price.amount, price.currency, product_id)


def find_customer(client: Client, customer: str) -> Any:
    """Raises GoneAtProvider."""
    return present("customer", customer, lambda: client.customers.retrieve(customer))


def known_customer(client: Client, payer: Payer) -> Any:
    """The client's customer, named as the client is; made when there is none yet. Raises GoneAtProvider."""
    details: dict[str, Any] = {"name": payer.name, "metadata": {CLIENT: str(payer.client_id)}}
    if payer.email:
        details["email"] = payer.email
    if payer.customer is None:
        content = sha256(repr(sorted(details.items())).encode()).hexdigest()[:12]
        return client.customers.create(details, {"idempotency_key": f"{payer.client_id}:customer:{content}"})
    customer = find_customer(client, payer.customer)
    if (customer.name, customer.email) != (payer.name, payer.email or customer.email):
        customer = client.customers.update(payer.customer, details)
    return customer


def _customer_of_new(client: Client, wanted: Wanted) -> Any:
    """For a subscription that somebody has just ordered, a customer that was deleted is made anew."""
    try:
        return known_customer(client, wanted.payer)
    except GoneAtProvider:
        details = {"name": wanted.payer.name, "metadata": {CLIENT: str(wanted.payer.client_id)}}
        if wanted.payer.email:
            details["email"] = wanted.payer.email
        key = f"{wanted.payer.client_id}:customer:after:{wanted.payer.customer}"
        return client.customers.create(details, {"idempotency_key": key})


def apply(client: Client, wanted: Wanted) -> SubscriptionFacts | None:
    """Bring the subscription to what is wanted; None when it is cancelled and never was at Stripe.

    One that was ended there stays ended: nobody is billed again without being asked.

    Raises:
        GoneAtProvider: what we know there was deleted.
    """
    there = None
    if wanted.subscription is not None:
        name = wanted.subscription
        there = present("subscription", name, lambda: client.subscriptions.retrieve(name))
    if wanted.state is S.CANCELLED:
        if there is not None and there.status not in _ENDED:
            there = client.subscriptions.cancel(there.id, {})
        return facts_of(client, there) if there is not None else None
    if there is not None and there.status in _ENDED:
        return facts_of(client, there)
    customer = known_customer(client, wanted.payer) if there is not None else _customer_of_new(client, wanted)
    price = ensure_price(client, wanted.price).id
    there = there or _begun(client, wanted, customer)
    if there is None:
        there = client.subscriptions.create(
            _order(wanted, customer, price),
            {"idempotency_key": f"{wanted.subscription_id}:{customer.id}:{wanted.revision}:subscription"},
        )
    else:
        _change(client, wanted, there, price)
    _schedule(client, wanted, client.subscriptions.retrieve(there.id), price)
    return facts_of(client, client.subscriptions.retrieve(there.id))


def _begun(client: Client, wanted: Wanted, customer: Any) -> Any | None:
    """The subscription that an earlier try has made, or that was not ended before the client came back."""
    listed = client.subscriptions.list({"customer": customer.id, "limit": 100}).auto_paging_iter()
    return next((each for each in listed if get(each, "metadata", SUBSCRIPTION) == str(wanted.subscription_id)), None)


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
    item = _item_of(there)
    if item.price.id != price or item.quantity != 1:
        if there.schedule:
            client.subscription_schedules.release(there.schedule, {})
        # A new price of the same plan holds from the next invoice on; another plan is settled at once.
        same_plan = id_of(item.price.product) == f"tl_{wanted.price.plan_id.hex}"
        changes["items"] = [{"id": item.id, "price": price, "quantity": 1}]
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
    then = ensure_price(client, wanted.then).id
    if there.schedule:
        schedule = client.subscription_schedules.retrieve(there.schedule)
    else:
        schedule = client.subscription_schedules.create(
            {"from_subscription": there.id},
            {"idempotency_key": f"{wanted.subscription_id}:{wanted.revision}:schedule"},
        )
    item = _item_of(there)
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
    item = _item_of(there)
    each = item.price.unit_amount
    state = _STATES.get(there.status, S.PAST_DUE)
    if there.pause_collection and state is not S.CANCELLED:
        state = S.PAUSED
    return SubscriptionFacts(
        id=there.id,
        customer=id_of(there.customer),
        state=state,
        since=_since(client, there, state),
        plan_id=_plan_of(item.price.product),
        amount=None if each is None else each * (item.quantity or 0),
        quantity=item.quantity or 0,
        others=len(there["items"].data) - 1,
        currency=there.currency,
        period_start=moment(item.current_period_start),
        period_end=moment(item.current_period_end),
        trial_ends_at=moment_or_none(there.trial_end),
        cancel_at_period_end=there.cancel_at_period_end,
        next_plan_id=_next_plan(client, there),
    )


def _item_of(there: Any) -> Any:
    """The plan's item; an agency may put others on the subscription by hand."""
    items = there["items"].data
    return next((each for each in items if _plan_of(each.price.product) is not None), items[0])


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
        return moment(there.ended_at or there.canceled_at or there.start_date)
    if state is S.PAST_DUE:
        unpaid = client.invoices.list({"subscription": there.id, "status": "open", "limit": 100}).data
        fell_due = [each.due_date or each.status_transitions.finalized_at for each in unpaid]
        return moment(min(fell_due, default=_item_of(there).current_period_start))
    if state is S.TRIAL or not there.trial_end:
        return moment(there.start_date)
    return moment(max(there.start_date, min(there.trial_end, _item_of(there).current_period_start)))


def _plan_of(product: Any) -> UUID | None:
    name = id_of(product)
    try:
        return UUID(name.removeprefix("tl_")) if name.startswith("tl_") else None
    except ValueError:
        return None

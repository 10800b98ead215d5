"""The passing of time: trials end, periods renew, cards are tried again, invoices fall due."""

from collections.abc import Iterator

from tuneloop_local.emulators.stripe.api.changes import change_items
from tuneloop_local.emulators.stripe.api.schedules import release
from tuneloop_local.emulators.stripe.api.subscriptions import end_subscription
from tuneloop_local.emulators.stripe.calendar import add_months
from tuneloop_local.emulators.stripe.errors import ApiError
from tuneloop_local.emulators.stripe.invoicing import (
    DAY,
    attempt,
    draft,
    enter,
    finalize,
    invoices_of,
    subscription_line,
    subscription_of,
    void,
)
from tuneloop_local.emulators.stripe.request import StripeRequest
from tuneloop_local.emulators.stripe.store import Object

_RUNNING = ("trialing", "active", "past_due")
_MOST = 10_000


def advance(call: StripeRequest, to: int) -> int:
    """Do everything that falls due up to `to`, in order, each at its own time. Returns how much it was."""
    account, done = call.account, 0
    while done < _MOST:
        moment, subject = min(_due(call), default=(to + 1, ""))
        if moment > to:
            return done
        account.at = moment
        try:
            _happen(call, subject)
        finally:
            account.at = None
        done += 1
    raise ApiError("Too much would fall due; advance the clock in smaller steps.")


def _due(call: StripeRequest) -> Iterator[tuple[int, str]]:
    flags = call.account.all("_warned")
    for subscription in call.account.all("subscription").values():
        yield from _due_of(subscription, warned=subscription["id"] in flags)
    for invoice in call.account.all("invoice").values():
        if invoice["status"] == "draft" and invoice["auto_advance"] and invoice["automatically_finalizes_at"]:
            yield invoice["automatically_finalizes_at"], invoice["id"]
        elif invoice["status"] == "open" and invoice["next_payment_attempt"]:
            yield invoice["next_payment_attempt"], invoice["id"]
        elif invoice["status"] == "open" and invoice["due_date"] and f"{invoice['id']} due" not in flags:
            yield invoice["due_date"], f"{invoice['id']} due"
    for session in call.account.all("checkout.session").values():
        if session["status"] == "open":
            yield session["expires_at"], session["id"]


def _due_of(subscription: Object, *, warned: bool) -> Iterator[tuple[int, str]]:
    if subscription["status"] == "incomplete":
        yield subscription["created"] + 23 * 3600, f"{subscription['id']} expire"
    if subscription["status"] in _RUNNING:
        end = subscription["items"]["data"][0]["current_period_end"]
        yield end, subscription["id"]
        if subscription["status"] == "trialing" and not warned:
            yield max(end - 3 * DAY, subscription["created"]), f"{subscription['id']} warn"


def _happen(call: StripeRequest, subject: str) -> None:
    name, _, what = subject.partition(" ")
    found = call.account.anywhere(name)
    assert found is not None
    if what in ("warn", "due"):
        call.account.all("_warned")[name if what == "warn" else subject] = {"id": subject}
    if what == "warn":
        call.tell("customer.subscription.trial_will_end", found)
    elif what == "expire":
        _expire(call, found)
    elif what == "due":
        _fall_due(call, found)
    elif found["object"] == "subscription":
        _renew(call, found)
    elif found["object"] == "checkout.session":
        found["status"], found["url"] = "expired", None
        call.tell("checkout.session.expired", found)
    elif found["status"] == "draft":
        finalize(call, found)
    else:
        attempt(call, found)


def _expire(call: StripeRequest, subscription: Object) -> None:
    """The first payment was not made within 23 hours."""
    for invoice in invoices_of(call.account, subscription):
        if invoice["status"] == "open":
            void(call, invoice)
    subscription["ended_at"] = call.account.now
    enter(call, subscription, "incomplete_expired")


def _fall_due(call: StripeRequest, invoice: Object) -> None:
    call.tell("invoice.overdue", invoice)
    subscription = subscription_of(call.account, invoice)
    if subscription is not None and subscription["status"] == "active":
        enter(call, subscription, "past_due")


def _renew(call: StripeRequest, subscription: Object) -> None:
    account = call.account
    if subscription["cancel_at_period_end"]:
        end_subscription(call, subscription)
        return
    before = {"status": subscription["status"]}
    if subscription["status"] == "trialing":
        subscription["status"] = "active"
    _next_phase(call, subscription)
    old = subscription["items"]["data"][0]
    recurring = old["price"]["recurring"]
    months = recurring["interval_count"] * (12 if recurring["interval"] == "year" else 1)
    start = old["current_period_end"]
    end = add_months(start, months, anchor=subscription["billing_cycle_anchor"])
    lines = []
    for item in subscription["items"]["data"]:
        name = account.get("product", item["price"]["product"])["name"]
        quantity, period = item["quantity"], (start, end)
        amount = quantity * item["price"]["unit_amount"]
        text = f"{quantity} x {name}"
        lines.append(
            subscription_line(
                call, subscription, item, amount=amount, description=text, period=period, quantity=quantity
            )
        )
        item["current_period_start"], item["current_period_end"] = start, end
    invoice = draft(
        call,
        account.get("customer", subscription["customer"]),
        currency=subscription["currency"],
        reason="subscription_cycle",
        subscription=subscription,
        lines=lines,
        period=(add_months(start, -months), start),
        auto_advance=True,
    )
    call.tell("customer.subscription.updated", subscription, before)
    if subscription["pause_collection"] is not None:
        if subscription["pause_collection"]["behavior"] == "keep_as_draft":
            invoice["auto_advance"], invoice["automatically_finalizes_at"] = False, None
        elif subscription["pause_collection"]["behavior"] == "void":
            invoice["auto_advance"] = False
            finalize(call, invoice)
            if invoice["status"] == "open":
                void(call, invoice)


def _next_phase(call: StripeRequest, subscription: Object) -> None:
    """At the end of a phase its schedule changes the items, or lets the subscription go."""
    if not subscription["schedule"]:
        return
    schedule = call.account.get("subscription_schedule", subscription["schedule"])
    at = call.account.now
    if schedule["current_phase"]["end_date"] > at:
        return
    following = next((phase for phase in schedule["phases"] if phase["start_date"] <= at < phase["end_date"]), None)
    if following is None:
        if schedule["end_behavior"] == "cancel":
            end_subscription(call, subscription)
        else:
            release(call, schedule)
        return
    schedule["current_phase"] = {"start_date": following["start_date"], "end_date": following["end_date"]}
    items = [
        {"id": item["id"], "price": new["price"], "quantity": new["quantity"]}
        for item, new in zip(subscription["items"]["data"], following["items"], strict=False)
    ]
    # The new period starts with the new price, so nothing is left to prorate.
    change_items(call, subscription, items, {"proration_behavior": "none"})
    call.tell("subscription_schedule.updated", schedule)

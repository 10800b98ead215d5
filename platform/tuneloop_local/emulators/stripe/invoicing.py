"""How invoices come about: lines, discounts, balance, finalising, paying."""

from collections.abc import Iterable, Sequence
from typing import Any

from tuneloop_local.emulators.stripe.cards import charge
from tuneloop_local.emulators.stripe.errors import ApiError, declined, needs_action
from tuneloop_local.emulators.stripe.payments import ACTION, cancel_payment, open_payment, take_payment
from tuneloop_local.emulators.stripe.request import StripeRequest
from tuneloop_local.emulators.stripe.store import Account, Object, new_object_id

HOUR, DAY = 3600, 86_400
RETRIES = (3 * DAY, 5 * DAY, 7 * DAY)
"""A card that fails is tried three more times; then the invoice stays open and the subscription past due."""

_LINE_PARENT = "billing_bill_resource_invoicing_lines_parents_invoice_line_item_parent"
_SUBSCRIPTION_PARENT = "billing_bill_resource_invoicing_lines_parents_invoice_line_item_subscription_item_parent"
_ITEM_PARENT = "billing_bill_resource_invoicing_lines_parents_invoice_line_item_invoice_item_parent"


def draft(
    call: StripeRequest,
    customer: Object,
    *,
    currency: str,
    reason: str,
    subscription: Object | None = None,
    lines: Sequence[Object] = (),
    period: tuple[int, int] | None = None,
    take_pending: bool = True,
    **values: Any,
) -> Object:
    """A draft with `lines`; pending invoice items of the customer or the subscription go on it too."""
    at = call.account.now
    start, end = period or (at, at)
    method = subscription["collection_method"] if subscription else "charge_automatically"
    days = subscription["days_until_due"] if subscription else None
    invoice = call.make(
        "invoice",
        "in",
        customer=customer["id"],
        customer_email=customer["email"],
        customer_name=customer["name"],
        customer_address=customer["address"],
        customer_tax_exempt=customer["tax_exempt"],
        customer_tax_ids=[],
        currency=currency,
        status="draft",
        billing_reason=reason,
        auto_advance=False,
        collection_method=method,
        issuer={"type": "self"},
        period_start=start,
        period_end=end,
        custom_fields=None,
        lines={"object": "list", "data": [], "has_more": False, "url": ""},
        total_discount_amounts=[],
        total_pretax_credit_amounts=[],
        total_taxes=[],
        account_name=call.account.name,
        account_country="US",
    )
    invoice["lines"]["url"] = f"/v1/invoices/{invoice['id']}/lines"
    if subscription is not None:
        details = call.spec.blank("billing_bill_resource_invoicing_parents_invoice_subscription_parent")
        details |= {"subscription": subscription["id"], "metadata": dict(subscription["metadata"])}
        parent = call.spec.blank("billing_bill_resource_invoicing_parents_invoice_parent")
        invoice["parent"] = parent | {"type": "subscription_details", "subscription_details": details}
        invoice["discounts"] = list(subscription["discounts"])
        subscription["latest_invoice"] = invoice["id"]
    invoice |= {name: value for name, value in values.items() if name != "days_until_due"}
    due_days = values.get("days_until_due", days)
    call.account.all("_due")[invoice["id"]] = {"id": invoice["id"], "days": due_days}
    for line in lines:
        _add(invoice, line)
    if take_pending:
        for item in call.account.all("invoiceitem").values():
            wanted = item["invoice"] is None and item["customer"] == customer["id"] and item["currency"] == currency
            if wanted and _subscription_of(item) in (None, subscription["id"] if subscription else None):
                put_on(call, invoice, item)
    settle(call.account, invoice)
    if invoice["auto_advance"]:
        invoice["automatically_finalizes_at"] = at + HOUR
    call.tell("invoice.created", invoice)
    return invoice


def put_on(call: StripeRequest, invoice: Object, item: Object) -> None:
    """An invoice item becomes a line of the invoice."""
    item["invoice"] = invoice["id"]
    details = call.spec.blank(_ITEM_PARENT) | {
        "invoice_item": item["id"],
        "proration": item["proration"],
        "subscription": _subscription_of(item),
    }
    parent = call.spec.blank(_LINE_PARENT) | {"type": "invoice_item_details", "invoice_item_details": details}
    _add(
        invoice,
        line_item(
            call,
            item["amount"],
            item["currency"],
            item["description"] or "",
            parent=parent,
            period=item["period"],
            metadata=dict(item["metadata"] or {}),
            pricing=item["pricing"],
            quantity=item["quantity"],
            discountable=item["discountable"],
        ),
    )


def subscription_line(
    call: StripeRequest,
    subscription: Object,
    item: Object,
    *,
    amount: int,
    description: str,
    period: tuple[int, int],
    quantity: int | None = None,
    proration: bool = False,
) -> Object:
    details = call.spec.blank(_SUBSCRIPTION_PARENT) | {
        "subscription": subscription["id"],
        "subscription_item": item["id"],
        "proration": proration,
    }
    parent = call.spec.blank(_LINE_PARENT)
    parent |= {"type": "subscription_item_details", "subscription_item_details": details}
    return line_item(
        call,
        amount,
        item["price"]["currency"],
        description,
        parent=parent,
        period={"start": period[0], "end": period[1]},
        metadata=dict(subscription["metadata"]),
        pricing=pricing_of(item["price"]),
        quantity=item.get("quantity", 1) if quantity is None else quantity,
        discountable=not proration,
    )


def pricing_of(price: Object) -> Object:
    details = {"price": price["id"], "product": price["product"]}
    return {"type": "price_details", "price_details": details, "unit_amount_decimal": price["unit_amount_decimal"]}


def line_item(call: StripeRequest, amount: int, currency: str, description: str, **values: Any) -> Object:
    line = call.spec.blank("line_item") | {
        "id": new_object_id("il"),
        "amount": amount,
        "subtotal": amount,
        "currency": currency,
        "description": description,
        "discounts": [],
        "discount_amounts": [],
        "pretax_credit_amounts": [],
        "taxes": [],
        "livemode": False,
    }
    return line | values


def _add(invoice: Object, line: Object) -> None:
    line["invoice"] = invoice["id"]
    invoice["lines"]["data"].append(line)


def settle(account: Account, invoice: Object) -> None:
    """Work out the totals of a draft."""
    lines = invoice["lines"]["data"]
    subtotal = sum(line["amount"] for line in lines)
    left = sum(line["amount"] for line in lines if line["discountable"])
    taken: list[Object] = []
    for discount_id in invoice["discounts"]:
        coupon = account.get("coupon", account.get("discount", discount_id)["source"]["coupon"])
        off = round(left * coupon["percent_off"] / 100) if coupon["percent_off"] else coupon["amount_off"]
        off = max(0, min(off, left))
        left -= off
        taken.append({"amount": off, "discount": discount_id})
    total = subtotal - sum(each["amount"] for each in taken)
    balance = account.get("customer", invoice["customer"])["balance"]
    due = max(0, total + balance)
    invoice |= {
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal,
        "total": total,
        "total_excluding_tax": total,
        "total_discount_amounts": taken,
        "starting_balance": balance,
        "amount_due": due,
        "amount_remaining": due,
    }


def finalize(call: StripeRequest, invoice: Object) -> Object:
    """Raises ApiError unless it is a draft."""
    if invoice["status"] != "draft":
        raise ApiError(
            f"This invoice is {invoice['status']}; only drafts can be finalized.", code="invoice_not_editable"
        )
    account, at = call.account, call.account.now
    settle(account, invoice)
    customer = account.get("customer", invoice["customer"])
    customer["balance"] = min(0, invoice["total"] + invoice["starting_balance"])
    due_days = account.all("_due")[invoice["id"]]["days"]
    sequence = customer["next_invoice_sequence"]
    customer["next_invoice_sequence"] += 1
    url = f"{call.base_url}/pay/{account.id}/{invoice['id']}"
    invoice |= {
        "status": "open",
        "number": f"{customer['invoice_prefix']}-{sequence:04}",
        "ending_balance": customer["balance"],
        "effective_at": at,
        "automatically_finalizes_at": None,
        "hosted_invoice_url": url,
        "invoice_pdf": f"{url}/pdf",
        "due_date": at + due_days * DAY if invoice["collection_method"] == "send_invoice" and due_days else None,
        "status_transitions": invoice["status_transitions"] | {"finalized_at": at},
    }
    _use_up_discounts(account, invoice)
    call.tell("invoice.finalized", invoice)
    if invoice["amount_due"] > 0:
        open_payment(call, invoice)
    if invoice["amount_due"] == 0:
        mark_paid(call, invoice)
    elif invoice["auto_advance"] and invoice["collection_method"] == "charge_automatically":
        attempt(call, invoice)
    elif invoice["collection_method"] == "send_invoice" and invoice["auto_advance"]:
        call.tell("invoice.sent", invoice)
    return invoice


def _use_up_discounts(account: Account, invoice: Object) -> None:
    subscription = subscription_of(account, invoice)
    for discount_id in invoice["discounts"]:
        coupon = account.get("coupon", account.get("discount", discount_id)["source"]["coupon"])
        if coupon["duration"] == "once" and subscription is not None:
            subscription["discounts"] = [each for each in subscription["discounts"] if each != discount_id]


def attempt(call: StripeRequest, invoice: Object, *, on_session: bool = False) -> bool:
    """Charge the card. On failure the next try is scheduled and the subscription falls past due.

    A card that wants authentication pays `on_session` only: while its customer is there.
    """
    account = call.account
    subscription = subscription_of(account, invoice)
    refusal = charge(account, invoice["customer"], subscription)
    if refusal == ACTION and on_session:
        refusal = None
    invoice["attempted"] = True
    invoice["attempt_count"] += 1
    take_payment(call, invoice, subscription, refusal)
    if refusal is None:
        mark_paid(call, invoice)
        return True
    tries = invoice["attempt_count"]
    retry = invoice["auto_advance"] and tries <= len(RETRIES)
    invoice["next_payment_attempt"] = account.now + RETRIES[tries - 1] if retry else None
    account.get("customer", invoice["customer"])["delinquent"] = True
    call.tell("invoice.payment_failed", invoice)
    if refusal == ACTION:
        call.tell("invoice.payment_action_required", invoice)
    if subscription is not None and subscription["status"] == "active":
        enter(call, subscription, "past_due")
    return False


def pay(call: StripeRequest, invoice: Object, *, out_of_band: bool = False, on_session: bool = False) -> Object:
    """Raises ApiError when the card refuses or the invoice isn't open."""
    if invoice["status"] == "draft":
        finalize(call, invoice)
    if invoice["status"] == "paid":
        raise ApiError("Invoice is already paid", code="invoice_already_paid")
    if invoice["status"] not in ("open", "uncollectible"):
        raise ApiError(f"This invoice is {invoice['status']}.", code="invoice_not_editable")
    if out_of_band:
        cancel_payment(call, invoice, "abandoned")
        mark_paid(call, invoice)
    elif not attempt(call, invoice, on_session=on_session):
        refusal = charge(call.account, invoice["customer"], subscription_of(call.account, invoice))
        raise needs_action() if refusal == ACTION else declined(refusal or "generic_decline")
    return invoice


def mark_paid(call: StripeRequest, invoice: Object) -> None:
    at = call.account.now
    invoice |= {
        "status": "paid",
        "amount_paid": invoice["amount_due"] - invoice["pre_payment_credit_notes_amount"],
        "amount_remaining": 0,
        "next_payment_attempt": None,
        "auto_advance": False,
        "status_transitions": invoice["status_transitions"] | {"paid_at": at},
    }
    call.account.get("customer", invoice["customer"])["delinquent"] = False
    call.tell("invoice.paid", invoice)
    call.tell("invoice.payment_succeeded", invoice)
    subscription = subscription_of(call.account, invoice)
    if subscription is not None and subscription["status"] in ("past_due", "incomplete"):
        others = invoices_of(call.account, subscription)
        if not any(each["status"] == "open" and _overdue(call.account, each) for each in others):
            enter(call, subscription, "active")


def _overdue(account: Account, invoice: Object) -> bool:
    return bool(invoice["attempted"]) or (invoice["due_date"] is not None and invoice["due_date"] <= account.now)


def enter(call: StripeRequest, subscription: Object, status: str) -> None:
    previous = {"status": subscription["status"]}
    subscription["status"] = status
    call.tell("customer.subscription.updated", subscription, previous)


def void(call: StripeRequest, invoice: Object) -> Object:
    if invoice["status"] not in ("open", "uncollectible"):
        raise ApiError(f"This invoice is {invoice['status']}; only finalized ones can be voided.")
    at = call.account.now
    invoice |= {
        "status": "void",
        "auto_advance": False,
        "next_payment_attempt": None,
        "status_transitions": invoice["status_transitions"] | {"voided_at": at},
    }
    cancel_payment(call, invoice, "void_invoice")
    call.tell("invoice.voided", invoice)
    return invoice


def invoices_of(account: Account, subscription: Object) -> Iterable[Object]:
    return [each for each in account.all("invoice").values() if _id_of(each) == subscription["id"]]


def subscription_of(account: Account, invoice: Object) -> Object | None:
    found = _id_of(invoice)
    return account.all("subscription").get(found) if found else None


def _id_of(invoice: Object) -> str | None:
    details = (invoice["parent"] or {}).get("subscription_details")
    return details["subscription"] if details else None


def _subscription_of(item: Object) -> str | None:
    details = (item["parent"] or {}).get("subscription_details")
    return details["subscription"] if details else None

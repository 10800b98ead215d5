"""What pays an invoice: a payment intent from finalising on, charges on its card, refunds and disputes of these."""

from typing import Any

from tuneloop_local.emulators.stripe.cards import DISPUTED, declined_message, default_card
from tuneloop_local.emulators.stripe.errors import ApiError, missing
from tuneloop_local.emulators.stripe.request import StripeRequest
from tuneloop_local.emulators.stripe.store import Account, Object

DAY = 86_400
EVIDENCE_DAYS = 9
ACTION = "authentication_required"
_ENDED = ("canceled", "succeeded")


def open_payment(call: StripeRequest, invoice: Object) -> None:
    """A finalised invoice has a payment intent, tied to it by an invoice payment."""
    intent = call.make(
        "payment_intent",
        "pi",
        amount=invoice["amount_due"],
        amount_received=0,
        amount_capturable=0,
        currency=invoice["currency"],
        customer=invoice["customer"],
        status="requires_payment_method",
        payment_method_types=["card"],
        capture_method="automatic",
        confirmation_method="automatic",
        setup_future_usage="off_session",
    )
    call.make(
        "invoice_payment",
        "inpay",
        invoice=invoice["id"],
        amount_requested=invoice["amount_due"],
        currency=invoice["currency"],
        is_default=True,
        status="open",
        payment={"type": "payment_intent", "payment_intent": intent["id"]},
    )


def payment_of(account: Account, invoice: Object) -> tuple[Object, Object] | None:
    """The open invoice payment and its intent."""
    for each in account.all("invoice_payment").values():
        if each["invoice"] == invoice["id"] and each["status"] == "open":
            return each, account.get("payment_intent", each["payment"]["payment_intent"])
    return None


def take_payment(call: StripeRequest, invoice: Object, subscription: Object | None, refusal: str | None) -> None:
    """What came of charging the card: a charge, or why there is none."""
    found = payment_of(call.account, invoice)
    if found is None or refusal == "no_card":
        return
    tie, intent = found
    card = default_card(call.account, invoice["customer"], subscription)
    assert card is not None
    intent |= {"payment_method": card["id"], "amount": invoice["amount_remaining"], "next_action": None}
    if refusal == ACTION:
        intent |= {"status": "requires_action", "next_action": {"type": "use_stripe_sdk", "use_stripe_sdk": {}}}
        call.tell("payment_intent.requires_action", intent)
        return
    charged = _charge(call, invoice, intent, card, refusal)
    intent["latest_charge"] = charged["id"]
    if refusal is not None:
        error = {"type": "card_error", "code": "card_declined", "decline_code": refusal}
        intent |= {"status": "requires_payment_method", "payment_method": None}
        intent["last_payment_error"] = error | {"message": declined_message(refusal), "charge": charged["id"]}
        call.tell("payment_intent.payment_failed", intent)
        return
    intent |= {"status": "succeeded", "amount_received": intent["amount"], "last_payment_error": None}
    transitions = {"paid_at": call.account.now, "canceled_at": None}
    tie |= {"status": "paid", "amount_paid": intent["amount"], "status_transitions": transitions}
    call.tell("payment_intent.succeeded", intent)
    if card["card"]["last4"] == DISPUTED:
        dispute(call, charged)


def cancel_payment(call: StripeRequest, invoice: Object, reason: str) -> None:
    """An invoice that is void, or was paid elsewhere, takes no money any more."""
    if (found := payment_of(call.account, invoice)) is not None:
        tie, intent = found
        at = call.account.now
        tie |= {"status": "canceled", "status_transitions": {"paid_at": None, "canceled_at": at}}
        intent |= {"status": "canceled", "canceled_at": at, "cancellation_reason": reason, "next_action": None}


def _charge(call: StripeRequest, invoice: Object, intent: Object, card: Object, refusal: str | None) -> Object:
    paid = refusal is None
    charged = call.make(
        "charge",
        "ch",
        amount=intent["amount"],
        amount_captured=intent["amount"] if paid else 0,
        currency=invoice["currency"],
        customer=invoice["customer"],
        payment_intent=intent["id"],
        payment_method=card["id"],
        paid=paid,
        captured=paid,
        status="succeeded" if paid else "failed",
        failure_code=None if paid else "card_declined",
        failure_message=None if refusal is None else declined_message(refusal),
    )
    call.tell("charge.succeeded" if paid else "charge.failed", charged)
    return charged


def charge_named(account: Account, given: dict[str, Any]) -> Object:
    """The charge that a request means, by its own id or its intent's. Raises ApiError when nothing was charged."""
    if "charge" in given:
        return account.get("charge", given["charge"], param="charge")
    intent = account.get("payment_intent", given.get("payment_intent", ""), param="payment_intent")
    if intent["latest_charge"] is None or intent["status"] != "succeeded":
        raise ApiError("This PaymentIntent does not have a successful charge to refund.", param="payment_intent")
    return account.get("charge", intent["latest_charge"])


def refund(call: StripeRequest, charged: Object, amount: int | None, **values: Any) -> Object:
    """Raises ApiError for more than what is left of the charge."""
    left = charged["amount_captured"] - charged["amount_refunded"]
    if left == 0:
        raise ApiError(f"Charge {charged['id']} has already been refunded.", code="charge_already_refunded")
    if charged["disputed"] and _lost_or_open(call.account, charged):
        raise ApiError(f"Charge {charged['id']} has been charged back; it can't be refunded.", code="charge_disputed")
    wanted = left if amount is None else amount
    if not 0 < wanted <= left:
        raise ApiError(f"Refund amount is greater than unrefunded amount on charge ({left}).", param="amount")
    charged["amount_refunded"] += wanted
    charged["refunded"] = charged["amount_refunded"] == charged["amount_captured"]
    made = call.make(
        "refund",
        "re",
        amount=wanted,
        currency=charged["currency"],
        charge=charged["id"],
        payment_intent=charged["payment_intent"],
        status="succeeded",
        **values,
    )
    call.tell("charge.refunded", charged)
    call.tell("refund.created", made)
    return made


def _lost_or_open(account: Account, charged: Object) -> bool:
    disputes = (each for each in account.all("dispute").values() if each["charge"] == charged["id"])
    return any(each["status"] != "won" for each in disputes)


def dispute(call: StripeRequest, charged: Object, reason: str = "fraudulent") -> Object:
    """The cardholder takes the money back, for now."""
    if charged["disputed"]:
        raise ApiError(f"Charge {charged['id']} is disputed already.")
    made = call.make(
        "dispute",
        "dp",
        amount=charged["amount_captured"] - charged["amount_refunded"],
        currency=charged["currency"],
        charge=charged["id"],
        payment_intent=charged["payment_intent"],
        reason=reason,
        status="needs_response",
    )
    made["evidence_details"]["due_by"] = call.account.now + EVIDENCE_DAYS * DAY
    charged["disputed"] = True
    call.tell("charge.dispute.created", made)
    call.tell("charge.dispute.funds_withdrawn", made)
    return made


def end_dispute(call: StripeRequest, made: Object, *, won: bool) -> None:
    if made["status"] in ("won", "lost"):
        raise ApiError(f"This dispute is already {made['status']}.")
    made["status"] = "won" if won else "lost"
    call.tell("charge.dispute.closed", made)
    if won:
        call.tell("charge.dispute.funds_reinstated", made)


def charge_of_invoice(account: Account, invoice_id: str) -> Object:
    """Raises ApiError when the invoice was not paid by card."""
    for each in account.all("invoice_payment").values():
        if each["invoice"] == invoice_id and each["status"] == "paid":
            intent = account.get("payment_intent", each["payment"]["payment_intent"])
            return account.get("charge", intent["latest_charge"])
    raise missing("charge of invoice", invoice_id)

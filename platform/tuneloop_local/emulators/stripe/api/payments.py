"""Payment intents, charges, refunds and disputes."""

from tuneloop_local.emulators.stripe.api.catalog import PAGE
from tuneloop_local.emulators.stripe.errors import ApiError
from tuneloop_local.emulators.stripe.payments import charge_named, end_dispute, refund
from tuneloop_local.emulators.stripe.request import StripeRequest, listing, merged, route
from tuneloop_local.emulators.stripe.store import Object


@route("GET", "/v1/invoice_payments", *PAGE, "invoice", "status", "payment.type", "payment.payment_intent")
def list_invoice_payments(call: StripeRequest) -> Object:
    invoice, status = call.params.get("invoice"), call.params.get("status")
    intent = call.params.get("payment", {}).get("payment_intent")
    found = (
        each
        for each in call.account.newest("invoice_payment")
        if invoice in (None, each["invoice"])
        and status in (None, each["status"])
        and intent in (None, each["payment"]["payment_intent"])
    )
    return listing(found, "/v1/invoice_payments", call.params)


@route("GET", "/v1/payment_intents/{intent}")
def read_intent(call: StripeRequest) -> Object:
    return call.account.get("payment_intent", call.ids["intent"])


@route("GET", "/v1/charges/{charge}")
def read_charge(call: StripeRequest) -> Object:
    return call.account.get("charge", call.ids["charge"])


@route("GET", "/v1/charges", *PAGE, "customer", "payment_intent")
def list_charges(call: StripeRequest) -> Object:
    return _of_payment(call, "charge", "/v1/charges", "customer")


@route("POST", "/v1/refunds", "charge", "payment_intent", "amount", "reason", "metadata")
def create_refund(call: StripeRequest) -> Object:
    given = call.params
    return refund(
        call,
        charge_named(call.account, given),
        given.get("amount"),
        reason=given.get("reason"),
        metadata=given.get("metadata") or {},
    )


@route("GET", "/v1/refunds/{refund}")
def read_refund(call: StripeRequest) -> Object:
    return call.account.get("refund", call.ids["refund"])


@route("GET", "/v1/refunds", *PAGE, "charge", "payment_intent")
def list_refunds(call: StripeRequest) -> Object:
    return _of_payment(call, "refund", "/v1/refunds", "charge")


@route("GET", "/v1/disputes/{dispute}")
def read_dispute(call: StripeRequest) -> Object:
    return call.account.get("dispute", call.ids["dispute"])


@route("GET", "/v1/disputes", *PAGE, "charge", "payment_intent")
def list_disputes(call: StripeRequest) -> Object:
    return _of_payment(call, "dispute", "/v1/disputes", "charge")


@route("POST", "/v1/disputes/{dispute}", "evidence.uncategorized_text", "metadata", "submit")
def update_dispute(call: StripeRequest) -> Object:
    """As in Stripe's test mode: the evidence `winning_evidence` wins, `losing_evidence` loses."""
    made, given = call.account.get("dispute", call.ids["dispute"]), call.params
    if made["status"] in ("won", "lost"):
        raise ApiError(f"This dispute is already {made['status']}; evidence can't be added.")
    text = given.get("evidence", {}).get("uncategorized_text")
    if text is not None:
        made["evidence"]["uncategorized_text"] = text
        made["evidence_details"]["has_evidence"] = True
    if "metadata" in given:
        made["metadata"] = merged(made["metadata"], given["metadata"])
    if given.get("submit", True) and text is not None:
        made["evidence_details"]["submission_count"] += 1
        made["status"] = "under_review"
        call.tell("charge.dispute.updated", made)
        if text in ("winning_evidence", "losing_evidence"):
            end_dispute(call, made, won=text == "winning_evidence")
    return made


@route("POST", "/v1/disputes/{dispute}/close")
def close_dispute(call: StripeRequest) -> Object:
    """To give in."""
    made = call.account.get("dispute", call.ids["dispute"])
    end_dispute(call, made, won=False)
    return made


def _of_payment(call: StripeRequest, kind: str, url: str, other: str) -> Object:
    intent, value = call.params.get("payment_intent"), call.params.get(other)
    found = (
        each
        for each in call.account.newest(kind)
        if intent in (None, each["payment_intent"]) and value in (None, each[other])
    )
    return listing(found, url, call.params)

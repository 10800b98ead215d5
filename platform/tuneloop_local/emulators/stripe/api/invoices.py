"""Invoices, invoice items, credit notes."""

from tuneloop_local.emulators.stripe.api.catalog import PAGE
from tuneloop_local.emulators.stripe.errors import ApiError, not_modelled
from tuneloop_local.emulators.stripe.invoicing import draft, finalize, pay, put_on, settle, subscription_of, void
from tuneloop_local.emulators.stripe.payments import charge_of_invoice, refund
from tuneloop_local.emulators.stripe.request import StripeRequest, listing, merged, route
from tuneloop_local.emulators.stripe.store import Object, new_object_id

_WORDS = ("description", "footer", "metadata", "custom_fields")


@route(
    "POST",
    "/v1/invoices",
    *_WORDS,
    "customer",
    "currency",
    "subscription",
    "auto_advance",
    "collection_method",
    "days_until_due",
    "pending_invoice_items_behavior",
)
def create_invoice(call: StripeRequest) -> Object:
    given, customer = dict(call.params), call.named("customer")
    del given["customer"]
    subscription = call.account.get("subscription", given.pop("subscription")) if "subscription" in given else None
    pending = given.pop("pending_invoice_items_behavior", "exclude") == "include"
    currency = given.pop("currency", None) or (subscription or {}).get("currency") or customer["currency"] or "usd"
    method = given.get("collection_method") or (subscription or {}).get("collection_method")
    if method == "send_invoice" and not given.get("days_until_due") and subscription is None:
        raise ApiError("You must pass days_until_due with send_invoice.", param="days_until_due")
    given.setdefault("auto_advance", False)
    return draft(
        call, customer, currency=currency, reason="manual", subscription=subscription, take_pending=pending, **given
    )


@route("GET", "/v1/invoices/{invoice}")
def read_invoice(call: StripeRequest) -> Object:
    return call.account.get("invoice", call.ids["invoice"])


@route("GET", "/v1/invoices", *PAGE, "customer", "subscription", "status")
def list_invoices(call: StripeRequest) -> Object:
    customer, subscription, status = (call.params.get(name) for name in ("customer", "subscription", "status"))
    if customer is not None and customer not in call.account.all("_deleted_customer"):
        call.account.get("customer", customer, param="customer")
    found = (
        each
        for each in call.account.newest("invoice")
        if customer in (None, each["customer"]) and status in (None, each["status"])
    )
    return listing(
        (each for each in found if subscription in (None, (subscription_of(call.account, each) or {}).get("id"))),
        "/v1/invoices",
        call.params,
    )


@route("POST", "/v1/invoices/{invoice}", *_WORDS, "auto_advance")
def update_invoice(call: StripeRequest) -> Object:
    invoice = call.account.get("invoice", call.ids["invoice"])
    changed = dict(call.params)
    if invoice["status"] != "draft" and set(changed) - {"metadata", "auto_advance"}:
        raise ApiError("Finalized invoices can't be updated in this way", code="invoice_not_editable")
    if "metadata" in changed:
        changed["metadata"] = merged(invoice["metadata"], changed["metadata"])
    previous = {name: invoice[name] for name, value in changed.items() if invoice[name] != value}
    invoice |= changed
    if invoice["status"] == "draft":
        advances = invoice["auto_advance"]
        invoice["automatically_finalizes_at"] = call.account.now + 3600 if advances else None
    if previous:
        call.tell("invoice.updated", invoice, previous)
    return invoice


@route("DELETE", "/v1/invoices/{invoice}")
def delete_invoice(call: StripeRequest) -> Object:
    invoice = call.account.get("invoice", call.ids["invoice"])
    if invoice["status"] != "draft":
        raise ApiError("Only drafts can be deleted; void the invoice.", code="invoice_not_editable")
    for item in call.account.all("invoiceitem").values():
        if item["invoice"] == invoice["id"]:
            item["invoice"] = None
    del call.account.all("invoice")[invoice["id"]]
    call.tell("invoice.deleted", invoice)
    return {"id": invoice["id"], "object": "invoice", "deleted": True}


@route("POST", "/v1/invoices/{invoice}/finalize", "auto_advance")
def finalize_invoice(call: StripeRequest) -> Object:
    invoice = call.account.get("invoice", call.ids["invoice"])
    if "auto_advance" in call.params and invoice["status"] == "draft":
        invoice["auto_advance"] = call.params["auto_advance"]
    return finalize(call, invoice)


@route("POST", "/v1/invoices/{invoice}/pay", "paid_out_of_band")
def pay_invoice(call: StripeRequest) -> Object:
    invoice = call.account.get("invoice", call.ids["invoice"])
    return pay(call, invoice, out_of_band=call.params.get("paid_out_of_band", False))


@route("POST", "/v1/invoices/{invoice}/send")
def send_invoice(call: StripeRequest) -> Object:
    invoice = call.account.get("invoice", call.ids["invoice"])
    if invoice["collection_method"] != "send_invoice":
        raise ApiError("You can only manually send an invoice if its collection method is 'send_invoice'.")
    if invoice["status"] == "draft":
        finalize(call, invoice)
    call.tell("invoice.sent", invoice)
    return invoice


@route("POST", "/v1/invoices/{invoice}/void")
def void_invoice(call: StripeRequest) -> Object:
    return void(call, call.account.get("invoice", call.ids["invoice"]))


@route("POST", "/v1/invoices/{invoice}/mark_uncollectible")
def give_invoice_up(call: StripeRequest) -> Object:
    invoice = call.account.get("invoice", call.ids["invoice"])
    if invoice["status"] != "open":
        raise ApiError(f"This invoice is {invoice['status']}; only open ones can be marked as uncollectible.")
    invoice |= {"status": "uncollectible", "next_payment_attempt": None}
    invoice["status_transitions"] |= {"marked_uncollectible_at": call.account.now}
    call.tell("invoice.marked_uncollectible", invoice)
    return invoice


@route("GET", "/v1/invoices/{invoice}/lines", *PAGE)
def list_lines(call: StripeRequest) -> Object:
    invoice = call.account.get("invoice", call.ids["invoice"])
    return listing(invoice["lines"]["data"], f"/v1/invoices/{invoice['id']}/lines", call.params)


@route(
    "POST",
    "/v1/invoiceitems",
    "customer",
    "invoice",
    "subscription",
    "amount",
    "currency",
    "description",
    "metadata",
    "discountable",
    "period.start",
    "period.end",
)
def create_item(call: StripeRequest) -> Object:
    given = dict(call.params)
    customer = call.named("customer")
    if "amount" not in given:
        raise not_modelled("invoice items without an amount")
    invoice = call.account.get("invoice", given["invoice"], param="invoice") if "invoice" in given else None
    if invoice and (invoice["status"] != "draft" or invoice["customer"] != customer["id"]):
        raise ApiError("This invoice can't be edited; only drafts of the same customer can.", param="invoice")
    currency = given.get("currency") or (invoice or {}).get("currency") or customer["currency"] or "usd"
    if invoice and invoice["currency"] != currency:
        raise ApiError("The currency of an invoice item must be the invoice's.", param="currency")
    at = call.account.now
    item = add_item(
        call,
        customer=customer["id"],
        amount=given["amount"],
        currency=currency,
        description=given.get("description"),
        metadata=given.get("metadata") or {},
        discountable=given.get("discountable", given["amount"] >= 0),
        period={"start": at, "end": at} | given.get("period", {}),
        subscription=given.get("subscription"),
    )
    if invoice:
        put_on(call, invoice, item)
        settle(call.account, invoice)
        call.tell("invoice.updated", invoice)
    return item


def add_item(
    call: StripeRequest, *, subscription: str | None = None, proration: bool = False, **values: object
) -> Object:
    parent = None
    if subscription:
        call.account.get("subscription", subscription, param="subscription")
        parent = {"type": "subscription_details", "subscription_details": {"subscription": subscription}}
    item = call.make(
        "invoiceitem",
        "ii",
        **values,
        date=call.account.now,
        quantity=1,
        quantity_decimal="1",
        proration=proration,
        parent=parent,
        discounts=[],
        tax_rates=[],
    )
    call.tell("invoiceitem.created", item)
    return item


@route("GET", "/v1/invoiceitems/{invoiceitem}")
def read_item(call: StripeRequest) -> Object:
    return call.account.get("invoiceitem", call.ids["invoiceitem"])


@route("GET", "/v1/invoiceitems", *PAGE, "customer", "invoice", "pending")
def list_items(call: StripeRequest) -> Object:
    customer, invoice, pending = (call.params.get(name) for name in ("customer", "invoice", "pending"))
    found = (
        each
        for each in call.account.newest("invoiceitem")
        if customer in (None, each["customer"]) and invoice in (None, each["invoice"])
    )
    return listing(
        (each for each in found if pending in (None, each["invoice"] is None)), "/v1/invoiceitems", call.params
    )


@route("DELETE", "/v1/invoiceitems/{invoiceitem}")
def delete_item(call: StripeRequest) -> Object:
    item = call.account.get("invoiceitem", call.ids["invoiceitem"])
    if item["invoice"] is not None:
        raise ApiError("This invoice item is on an invoice.", code="invoice_not_editable")
    del call.account.all("invoiceitem")[item["id"]]
    call.tell("invoiceitem.deleted", item)
    return {"id": item["id"], "object": "invoiceitem", "deleted": True}


@route(
    "POST",
    "/v1/credit_notes",
    "invoice",
    "amount",
    "reason",
    "memo",
    "metadata",
    "credit_amount",
    "refund_amount",
    "out_of_band_amount",
    "email_type",
)
def create_credit_note(call: StripeRequest) -> Object:
    given = call.params
    invoice = call.account.get("invoice", given["invoice"], param="invoice")
    if invoice["status"] not in ("open", "paid"):
        raise ApiError(
            f"This invoice is {invoice['status']}; credit notes are for open and paid ones.", param="invoice"
        )
    if "amount" not in given:
        raise not_modelled("credit notes without an amount")
    amount, before_payment = given["amount"], invoice["status"] == "open"
    credited = invoice["pre_payment_credit_notes_amount"] + invoice["post_payment_credit_notes_amount"]
    if not 0 < amount <= (invoice["amount_remaining"] if before_payment else invoice["total"] - credited):
        raise ApiError("The credit is larger than what is left of the invoice.", param="amount")
    to_balance, elsewhere = given.get("credit_amount", 0), given.get("out_of_band_amount", 0)
    to_card = given.get("refund_amount", 0)
    if not before_payment and to_balance + elsewhere + to_card != amount:
        raise ApiError("The sum of credit_amount, refund_amount and out_of_band_amount must be the amount.")
    customer = call.account.get("customer", invoice["customer"])
    refunds = []
    if to_card:
        made = refund(call, charge_of_invoice(call.account, invoice["id"]), to_card, reason=None)
        refunds = [{"type": "refund", "refund": made["id"], "amount_refunded": to_card, "payment_record_refund": None}]
    numbers = [each for each in call.account.all("credit_note").values() if each["invoice"] == invoice["id"]]
    number = f"{invoice['number']}-CN-{len(numbers) + 1:02}"
    note = call.make(
        "credit_note",
        "cn",
        invoice=invoice["id"],
        customer=customer["id"],
        currency=invoice["currency"],
        amount=amount,
        subtotal=amount,
        subtotal_excluding_tax=amount,
        total=amount,
        total_excluding_tax=amount,
        total_taxes=[],
        number=number,
        reason=given.get("reason"),
        memo=given.get("memo"),
        metadata=given.get("metadata") or {},
        out_of_band_amount=elsewhere or None,
        refunds=refunds,
        pre_payment_amount=amount if before_payment else 0,
        post_payment_amount=0 if before_payment else amount,
        status="issued",
        type="pre_payment" if before_payment else "post_payment",
        pdf=f"{call.base_url}/credit/{number}/pdf",
        lines={"object": "list", "data": [_credit_line(call, amount, given.get("memo"))], "has_more": False, "url": ""},
    )
    note["lines"]["url"] = f"/v1/credit_notes/{note['id']}/lines"
    _take_off(call, invoice, amount, to_balance)
    call.tell("credit_note.created", note)
    return note


def _credit_line(call: StripeRequest, amount: int, memo: str | None) -> Object:
    line = call.spec.blank("credit_note_line_item")
    line |= {"id": new_object_id("cnli"), "amount": amount, "description": memo, "livemode": False}
    return line | {"type": "custom_line_item", "quantity": 1, "unit_amount": amount, "taxes": []}


def _take_off(call: StripeRequest, invoice: Object, amount: int, to_balance: int) -> None:
    if invoice["status"] == "paid":
        invoice["post_payment_credit_notes_amount"] += amount
        call.account.get("customer", invoice["customer"])["balance"] -= to_balance
        return
    invoice["pre_payment_credit_notes_amount"] += amount
    invoice["amount_remaining"] -= amount
    if invoice["amount_remaining"] == 0:
        pay(call, invoice, out_of_band=True)


@route("POST", "/v1/credit_notes/{id}/void")
def void_credit_note(call: StripeRequest) -> Object:
    """Only of an invoice that is still open."""
    note = call.account.get("credit_note", call.ids["id"])
    invoice = call.account.get("invoice", note["invoice"])
    if note["status"] == "void" or invoice["status"] != "open":
        raise ApiError("Only issued credit notes of open invoices can be voided.")
    note |= {"status": "void", "voided_at": call.account.now}
    invoice["pre_payment_credit_notes_amount"] -= note["amount"]
    invoice["amount_remaining"] += note["amount"]
    call.tell("credit_note.voided", note)
    return note


@route("GET", "/v1/credit_notes/{id}")
def read_credit_note(call: StripeRequest) -> Object:
    return call.account.get("credit_note", call.ids["id"])


@route("GET", "/v1/credit_notes", *PAGE, "invoice", "customer")
def list_credit_notes(call: StripeRequest) -> Object:
    invoice, customer = (call.params.get(name) for name in ("invoice", "customer"))
    found = (
        each
        for each in call.account.newest("credit_note")
        if invoice in (None, each["invoice"]) and customer in (None, each["customer"])
    )
    return listing(found, "/v1/credit_notes", call.params)

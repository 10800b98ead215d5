"""Invoices at Stripe: reading them, and making a month's one without ever making it twice."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from tuneloop.kit.clock import now
from tuneloop_billing.payment_provider.edge import (
    CLIENT,
    Client,
    found,
    get,
    id_of,
    marked_client,
    moment,
    moment_or_none,
    present,
)
from tuneloop_billing.payment_provider.payments import payments_of
from tuneloop_billing.payment_provider.protocol import InvoiceFacts, Line, Statement

MONTH, REFERENCE = "tuneloop_month", "tuneloop_reference"


REVERSIBLE = timedelta(days=180)
"""Refunds and disputes of older invoices are looked for only when Stripe speaks of them: cards allow 120 days."""


def invoices_of(client: Client, customer: str, *, payments: bool = False, **only: str) -> Iterator[InvoiceFacts]:
    """Newest first, all of them, also those that others made for the customer."""
    for each in client.invoices.list({"customer": customer, "limit": 100, **only}).auto_paging_iter():
        yield facts_of(client, each, payments=payments and moment(each.created) > now() - REVERSIBLE)


def invoice_of_payment(client: Client, payment: str) -> str | None:
    """The invoice that a payment intent pays; None when it pays none."""
    query = {"payment": {"type": "payment_intent", "payment_intent": payment}, "limit": 1}
    listed = client.invoice_payments.list(query).data
    return id_of(listed[0].invoice) if listed else None


def facts_of(client: Client, there: Any, *, payments: bool = False) -> InvoiceFacts:
    lines = there.lines.data
    if there.lines.has_more:
        lines = list(client.invoices.line_items.list(there.id, {"limit": 100}).auto_paging_iter())
    return InvoiceFacts(
        id=there.id,
        customer=id_of(there.customer),
        client_id=marked_client(there) or marked_client(get(there, "parent", "subscription_details")),
        subscription=get(there, "parent", "subscription_details", "subscription"),
        month=get(there, "metadata", MONTH),
        number=there.number,
        status=there.status,
        renewal=there.billing_reason == "subscription_cycle",
        advances=there.auto_advance,
        currency=there.currency,
        total=there.total,
        amount_paid=there.amount_paid,
        amount_remaining=there.amount_remaining,
        credited=there.pre_payment_credit_notes_amount + there.post_payment_credit_notes_amount,
        lines=tuple(Line(each.description or "", each.amount, get(each, "metadata", REFERENCE)) for each in lines),
        hosted_url=get(there, "hosted_invoice_url"),
        issued_at=moment(there.created),
        paid_at=moment_or_none(there.status_transitions.paid_at),
        period_end=moment(there.period_end),
        tax=_tax(there),
        payments=payments_of(client, there) if payments else None,
    )


def _tax(there: Any) -> int:
    without = get(there, "total_excluding_tax")
    return 0 if without is None else int(there.total - without)


def issue(client: Client, statement: Statement) -> InvoiceFacts:
    """Put a month's lines on its invoice and let it go.

    It is looked for first: a month that was issued already is answered with its invoice. Lines are known by their
    references, so that one that is there isn't put on again.
    """
    invoice = _of_month(client, statement)
    if invoice is None:
        invoice = _begin(client, statement)
    if invoice.status == "draft":
        present = {line.reference for line in facts_of(client, invoice).lines}
        for line in statement.lines:
            if line.reference not in present:
                _put_on(client, invoice.id, statement, line)
        client.invoices.update(
            invoice.id,
            {"description": statement.description, "footer": statement.footer, "metadata": _marks(statement)},
        )
        client.invoices.finalize_invoice(invoice.id, {"auto_advance": True})
    return facts_of(client, client.invoices.retrieve(invoice.id))


def _of_month(client: Client, statement: Statement) -> Any | None:
    for each in client.invoices.list({"customer": statement.customer, "limit": 100}).auto_paging_iter():
        ours = marked_client(each) == statement.client_id
        if ours and get(each, "metadata", MONTH) == statement.month and each.status != "void":
            return each
    return None


def _begin(client: Client, statement: Statement) -> Any:
    """The renewal's draft, if it is one still; otherwise an invoice of its own."""
    if statement.draft is not None:
        draft = found(lambda: client.invoices.retrieve(statement.draft))
        if draft is not None and draft.status == "draft":
            return client.invoices.update(draft.id, {"auto_advance": False, "metadata": _marks(statement)})
    customer = present("customer", statement.customer, lambda: client.customers.retrieve(statement.customer))
    card = get(customer, "invoice_settings", "default_payment_method")
    order: dict[str, Any] = {
        "customer": statement.customer,
        "currency": statement.currency,
        "auto_advance": False,
        "metadata": _marks(statement),
        "collection_method": "charge_automatically" if card else "send_invoice",
    }
    if not card:
        order["days_until_due"] = statement.days_until_due
    return client.invoices.create(order, {"idempotency_key": f"{statement.client_id}:{statement.month}:invoice"})


def _put_on(client: Client, invoice_id: str, statement: Statement, line: Line) -> None:
    client.invoice_items.create(
        {
            "customer": statement.customer,
            "invoice": invoice_id,
            "amount": line.amount,
            "currency": statement.currency,
            "description": line.description,
            "metadata": {REFERENCE: line.reference or ""},
        },
        {"idempotency_key": f"{invoice_id}:{line.reference}"},
    )


def _marks(statement: Statement) -> dict[str, str]:
    return {MONTH: statement.month, CLIENT: str(statement.client_id)}

"""What became of an invoice's payments: kept with the invoice, and said where somebody has to know or act."""

from datetime import timedelta

from sqlmodel import Session, select

from tuneloop.clients.money import Money
from tuneloop.kit.clock import now
from tuneloop.tables import Client, Invoice, InvoiceReversal, PaymentProblemKind, ReversalKind
from tuneloop_billing.payment_provider.protocol import Payments, Reversal
from tuneloop_billing.problems import Exceptional, keep_problems

K = PaymentProblemKind
KINDS = (K.PAYMENT_FAILED, K.ACTION_REQUIRED, K.UNCOLLECTIBLE, K.DISPUTED, K.DISPUTE_LOST, K.REFUNDED)
DECIDED = ("won", "lost", "warning_closed", "prevented")
NEWS = timedelta(days=30)
"""For so long something is shown that nobody can do anything about."""


def keep_payments(session: Session, invoice: Invoice, payments: Payments) -> None:
    invoice.credited_tax = payments.credited_tax
    session.add(invoice)
    kept = {
        row.stripe_id: row
        for row in session.exec(select(InvoiceReversal).where(InvoiceReversal.invoice_id == invoice.id))
    }
    for each in payments.reversals:
        row = kept.pop(each.id, None) or InvoiceReversal(
            client_id=invoice.client_id,
            invoice_id=invoice.id,
            stripe_id=each.id,
            kind=each.kind,
            amount=each.amount,
            status=each.status,
            at=each.at,
        )
        row.amount, row.credited, row.status, row.reason = each.amount, each.credited, each.status, each.reason
        row.due_by = each.due_by
        session.add(row)
    for gone in kept.values():
        session.delete(gone)
    session.flush()
    client = session.get_one(Client, invoice.client_id)
    found = [*_unpaid(client, invoice, payments), *(_reversed(client, invoice, each) for each in payments.reversals)]
    listed = [each for each in found if each is not None]
    keep_problems(session, client.id, KINDS, listed, about=invoice.stripe_id)


def _unpaid(client: Client, invoice: Invoice, payments: Payments) -> list[Exceptional]:
    name = f"invoice {invoice.number or invoice.stripe_id} of {Money(invoice.total, invoice.currency)}"
    if invoice.status == "uncollectible":
        return [
            Exceptional(
                K.UNCOLLECTIBLE,
                f"{K.UNCOLLECTIBLE}:{invoice.stripe_id}",
                f"{client.name}: {name} is given up as uncollectible; what was not paid is no longer revenue",
                "dismiss this once it is known; it ends too when the client pays after all",
            )
        ]
    attempt = payments.attempt
    if invoice.status != "open" or attempt is None:
        return []
    link = f" ({invoice.hosted_url})" if invoice.hosted_url else ""
    if attempt.waits_for_payer:
        return [
            Exceptional(
                K.ACTION_REQUIRED,
                f"{K.ACTION_REQUIRED}:{invoice.stripe_id}",
                f"{client.name}: the bank wants {name} to be confirmed by the card's owner (3-D Secure)",
                f"ask the client to confirm it on the invoice's page{link}; without that it stays unpaid",
            )
        ]
    again = f"Stripe tries again on {attempt.next_at:%Y-%m-%d}" if attempt.next_at else "Stripe doesn't try again"
    return [
        Exceptional(
            K.PAYMENT_FAILED,
            f"{K.PAYMENT_FAILED}:{invoice.stripe_id}",
            f"{client.name}: {name} could not be charged: {attempt.reason or 'the card was refused'}",
            f"{again}; ask the client to pay on the invoice's page{link}, or for another card with "
            f"'tuneloop billing card {client.slug}'",
        )
    ]


def _reversed(client: Client, invoice: Invoice, each: Reversal) -> Exceptional | None:
    amount = Money(each.amount, invoice.currency)
    name = f"invoice {invoice.number or invoice.stripe_id}"
    why = f" ({each.reason.replace('_', ' ')})" if each.reason else ""
    key = f"{invoice.stripe_id}:{each.id}"
    if each.kind is ReversalKind.DISPUTE and each.status not in DECIDED:
        until = f" until {each.due_by:%Y-%m-%d}" if each.due_by else ""
        return Exceptional(
            K.DISPUTED,
            f"{K.DISPUTED}:{key}",
            f"{client.name} disputes {amount} of {name}{why}; Stripe calls it {each.status.replace('_', ' ')}",
            f"answer it with evidence in Stripe's dashboard{until}, or accept it there; unanswered it is lost",
        )
    if each.at < now() - NEWS:
        return None
    if each.kind is ReversalKind.REFUND:
        return Exceptional(
            K.REFUNDED,
            f"{K.REFUNDED}:{key}",
            f"{client.name}: {amount} of {name} went back to the client{why}",
            "dismiss this once it is known; revenue is less by it",
        )
    if each.status == "lost":
        return Exceptional(
            K.DISPUTE_LOST,
            f"{K.DISPUTE_LOST}:{key}",
            f"{client.name}: the dispute about {amount} of {name} is lost; the money is gone",
            "talk to the client, and dismiss this once it is known; revenue is less by it",
        )
    return None

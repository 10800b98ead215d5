"""What became of an invoice's payments at Stripe: tries, refunds, disputes, and what credit notes carry of them.

An invoice is tied to payment intents by invoice payments; the intent's latest charge says whether to look for more.
"""

from collections.abc import Iterator
from typing import Any

from tuneloop.tables import ReversalKind
from tuneloop_billing.payment_provider.edge import Client, get, id_of, moment, moment_or_none
from tuneloop_billing.payment_provider.protocol import Attempt, Payments, Reversal

VANISHED = ("failed", "canceled")
"""Refunds whose money has not gone."""


def payments_of(client: Client, there: Any) -> Payments:
    credited: dict[str, int] = {}
    credited_tax = 0
    if there.pre_payment_credit_notes_amount or there.post_payment_credit_notes_amount:
        for note in client.credit_notes.list({"invoice": there.id, "limit": 100}).auto_paging_iter():
            if note.status == "issued":
                untaxed = note.total_excluding_tax
                credited_tax += 0 if untaxed is None else note.total - untaxed
                credited |= {id_of(each.refund): each.amount_refunded for each in note.refunds}
    if not there.attempted and not there.amount_paid:
        return Payments(None, (), credited_tax)
    attempt: Attempt | None = None
    reversals: list[Reversal] = []
    for each in client.invoice_payments.list({"invoice": there.id, "limit": 100}).auto_paging_iter():
        name = get(each, "payment", "payment_intent")
        if name is None:
            continue
        intent = client.payment_intents.retrieve(id_of(name), {"expand": ["latest_charge"]})
        if there.status == "open" and each.status == "open":
            attempt = _attempt(there, intent)
        reversals += _reversals(client, intent, credited)
    return Payments(attempt, tuple(reversals), credited_tax)


def _attempt(there: Any, intent: Any) -> Attempt | None:
    waits = intent.status == "requires_action"
    reason = get(intent, "last_payment_error", "message")
    if not waits and reason is None:
        return None
    return Attempt(waits, reason, moment_or_none(there.next_payment_attempt))


def _reversals(client: Client, intent: Any, credited: dict[str, int]) -> Iterator[Reversal]:
    charge = intent.latest_charge
    if charge is None:
        return
    only = {"payment_intent": intent.id, "limit": 100}
    if charge.amount_refunded:
        for each in client.refunds.list(only).auto_paging_iter():
            if each.status not in VANISHED:
                yield Reversal(
                    id=each.id,
                    kind=ReversalKind.REFUND,
                    amount=each.amount,
                    credited=credited.get(each.id, 0),
                    status=each.status or "succeeded",
                    reason=each.reason,
                    at=moment(each.created),
                    due_by=None,
                )
    if charge.disputed:
        for each in client.disputes.list(only).auto_paging_iter():
            yield Reversal(
                id=each.id,
                kind=ReversalKind.DISPUTE,
                amount=each.amount,
                credited=0,
                status=each.status,
                reason=each.reason,
                at=moment(each.created),
                due_by=moment_or_none(each.evidence_details.due_by),
            )

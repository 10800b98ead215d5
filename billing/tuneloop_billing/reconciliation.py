"""An agency's daily round: compare with Stripe, say what differs, and see to the months that have ended."""

from typing import Any, NamedTuple
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.clients.months import Month, zone_of_agency
from tuneloop.kit.clock import now
from tuneloop.kit.jobs import enqueue
from tuneloop.kit.jobs.runtime import JobContext
from tuneloop.tables import Client, Invoice, ReconcileFinding, Subscription, SubscriptionState
from tuneloop_billing.jobs import CloseMonth, SyncSubscription
from tuneloop_billing.month_end.service import begin, unfinished
from tuneloop_billing.payment_provider.protocol import InvoiceFacts, SubscriptionFacts
from tuneloop_billing.stripe_sync import gateway, keep_invoice, next_read, take_over

_COMPARED = ("state", "plan_id", "cancel_at_period_end", "period_end")


class StripeDifference(NamedTuple):
    key: str
    summary: str
    here: dict[str, Any]
    there: dict[str, Any]


def begin_months(session: Session) -> list[UUID]:
    """Begin the end of last month for every client that had a plan in it, and go on with those that are unfinished."""
    zone = zone_of_agency(session)
    month = Month.of(now(), zone).previous
    span = month.span(zone)
    rows = session.exec(select(Client, Subscription).join(Subscription, col(Subscription.client_id) == Client.id))
    for client, subscription in rows.all():
        ended = subscription.state is SubscriptionState.CANCELLED and subscription.state_since < span.start
        if subscription.started_at < span.end and not ended:
            begin(session, client=client, month=month)
    left = unfinished(session)
    for close in left:
        enqueue(
            session,
            CloseMonth(close_id=close.id),
            agency_id=close.agency_id,
            client_id=close.client_id,
            dedupe_key=f"billing.close:{close.id}",
        )
    return [close.id for close in left]


def reconcile(context: JobContext) -> list[StripeDifference]:
    """Compare every subscription and its invoices with Stripe. What differs is said, and then taken over.

    A change made here that Stripe refused is sent again: the cause may have gone.
    """
    service = gateway(context)
    if service is None:
        return []
    with context.reading() as session:
        known = session.exec(select(Subscription).where(col(Subscription.stripe_customer).is_not(None))).all()
        unsent = [each for each in session.exec(select(Subscription)) if each.sent_revision < each.revision]
    differences: list[StripeDifference] = []
    for subscription in known:
        number = next_read(context)
        assert subscription.stripe_customer is not None
        facts = service.subscription(subscription.stripe_subscription) if subscription.stripe_subscription else None
        invoices = list(service.invoices(subscription.stripe_customer))
        with context.unit() as session:
            differences += _compare(session, subscription.id, facts, invoices, number)
    with context.unit() as session:
        for each in unsent:
            differences.append(
                StripeDifference(
                    f"subscription:{each.id}:unsent",
                    f"A change of a plan has not reached Stripe: {each.problem or 'it is on its way'}",
                    {"revision": each.revision},
                    {"revision": each.sent_revision},
                )
            )
            enqueue(
                session,
                SyncSubscription(subscription_id=each.id),
                agency_id=each.agency_id,
                client_id=each.client_id,
                dedupe_key=f"billing.sync:{each.id}:{each.revision}",
            )
        _keep(session, differences)
    return differences


def _compare(
    session: Session, subscription_id: UUID, facts: SubscriptionFacts | None, invoices: list[InvoiceFacts], number: int
) -> list[StripeDifference]:
    differences: list[StripeDifference] = []
    subscription = session.get_one(Subscription, subscription_id)
    client = session.get_one(Client, subscription.client_id)
    if facts is not None and subscription.sent_revision >= subscription.revision:
        here = {name: getattr(subscription, name) for name in _COMPARED}
        there = {name: getattr(facts, name) for name in _COMPARED}
        if here != there and number > subscription.read:
            names = ", ".join(name for name in _COMPARED if here[name] != there[name])
            differences.append(
                StripeDifference(
                    f"subscription:{facts.id}", f"{client.name}: {names} differ at Stripe", _plain(here), _plain(there)
                )
            )
        take_over(session, subscription, facts, number=number)
    kept = {row.stripe_id: row for row in session.exec(select(Invoice).where(Invoice.client_id == client.id))}
    invoices = [each for each in invoices if each.client_id == client.id]
    for invoice in invoices:
        row = kept.get(invoice.id)
        here_ = {"status": row.status, "amount_paid": row.amount_paid, "total": row.total} if row else {}
        there_ = {"status": invoice.status, "amount_paid": invoice.amount_paid, "total": invoice.total}
        if here_ != there_:
            what = "differs" if row else "was not known here"
            differences.append(
                StripeDifference(
                    f"invoice:{invoice.id}", f"{client.name}: invoice {invoice.number} {what}", here_, there_
                )
            )
        keep_invoice(session, invoice, number=number)
    differences.extend(
        StripeDifference(f"invoice:{gone}", f"{client.name}: an invoice is no longer at Stripe", {"id": gone}, {})
        for gone in sorted(set(kept) - {invoice.id for invoice in invoices})
    )
    return differences


def _keep(session: Session, differences: list[StripeDifference]) -> None:
    """New differences become findings; findings that no longer differ are settled."""
    open_ = {
        row.key: row for row in session.exec(select(ReconcileFinding).where(col(ReconcileFinding.settled_at).is_(None)))
    }
    keys = {each.key for each in differences}
    for key, row in open_.items():
        if key not in keys:
            row.settled_at = now()
            session.add(row)
    for each in differences:
        if each.key not in open_:
            session.add(ReconcileFinding(key=each.key, summary=each.summary, here=each.here, there=each.there))


def _plain(values: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}

"""Between here and Stripe: what a subscription should be, and taking over what it is."""

from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import update
from sqlmodel import Session, col, select

from tuneloop.clients.months import Month, zone_of_agency
from tuneloop.kit.clock import now
from tuneloop.kit.errors import NotFound
from tuneloop.kit.jobs.runtime import JobContext
from tuneloop.tables import (
    BillingAccount,
    Client,
    Invoice,
    MaintenancePlan,
    PaymentProblemKind,
    Subscription,
    SubscriptionState,
)
from tuneloop_billing.payment_provider.protocol import (
    Checkout,
    InvoiceFacts,
    Payer,
    PaymentGateway,
    PaymentRefused,
    Price,
    SubscriptionFacts,
    Wanted,
)
from tuneloop_billing.payment_provider.stripe_gateway import gateway_of
from tuneloop_billing.payments import keep_payments
from tuneloop_billing.problems import Exceptional, keep_problems, raise_problem
from tuneloop_billing.stripe_changes import GONE, note_changes

DELETED = "deleted"
"""Status of an invoice that Stripe has no more."""

NOT_OURS = "not ours"
"""Outcome of an event about what an agency's Stripe account holds besides our clients: nothing is done about it."""


def gateway(context: JobContext) -> PaymentGateway | None:
    with context.reading() as session:
        account = session.exec(select(BillingAccount)).one_or_none()
    return gateway_of(context.settings, account)


def price_of(plan: MaintenancePlan) -> Price:
    return Price(plan.id, plan.name, plan.price, plan.currency)


def payer_of(session: Session, client: Client) -> Payer:
    customer = session.exec(
        select(Subscription.stripe_customer).where(Subscription.client_id == client.id)
    ).one_or_none()
    email = client.contacts[0]["email"] if client.contacts else None
    return Payer(client.id, client.name, email, customer)


def wanted_of(session: Session, subscription: Subscription) -> Wanted:
    client = session.get_one(Client, subscription.client_id)
    then = session.get(MaintenancePlan, subscription.next_plan_id) if subscription.next_plan_id else None
    automatic_tax = session.exec(select(BillingAccount.automatic_tax)).one_or_none()
    return Wanted(
        subscription_id=subscription.id,
        revision=subscription.revision,
        payer=payer_of(session, client),
        price=price_of(session.get_one(MaintenancePlan, subscription.plan_id)),
        then=price_of(then) if then else None,
        state=subscription.state,
        started_at=subscription.started_at,
        trial_ends_at=subscription.trial_ends_at,
        cancel_at_period_end=subscription.cancel_at_period_end,
        coupon=subscription.coupon,
        automatic_tax=bool(automatic_tax),
        anchor=first_anchor(subscription.started_at, zone_of_agency(session)),
        subscription=subscription.stripe_subscription,
    )


def first_anchor(moment: datetime, zone: ZoneInfo) -> datetime:
    """When the periods of a subscription begun at `moment` begin: noon UTC of the next first of a month.

    Stripe repeats the day of the month in UTC, so midnight in Berlin would become the 31st, the 30th, the 28th. It
    refuses an anchor later than a month from now: on a first, before its noon, the periods begin at once, or at that
    noon where it is not yet the first in UTC.
    """
    month = Month.of(moment, zone)
    noon = _first_noon(month)
    if noon <= moment:
        return _first_noon(month.next)
    return moment if moment.day == 1 else noon


def _first_noon(month: Month) -> datetime:
    return datetime(month.year, month.month, 1, 12, tzinfo=UTC)


def next_read(context: JobContext) -> int:
    """Number of a reading that is about to be made. Of two readings the one with the lower number loses."""
    with context.unit() as session:
        query = update(BillingAccount).values(reads=BillingAccount.reads + 1).returning(col(BillingAccount.reads))
        return int(session.execute(query.execution_options(synchronize_session=False)).scalar_one())


def sync_subscription(context: JobContext, subscription_id: UUID) -> None:
    """Send the newest change to Stripe; harmless when it is there already."""
    service = gateway(context)
    with context.reading() as session:
        subscription = session.get(Subscription, subscription_id)
        if subscription is None:
            raise NotFound("subscription", subscription_id)
        wanted = wanted_of(session, subscription)
    if service is None:
        facts, number = None, 0
    else:
        number = next_read(context)
        facts = service.apply(wanted)
    with context.unit() as session:
        subscription = _locked(session, col(Subscription.id) == subscription_id)
        assert subscription is not None
        subscription.sent_revision = max(subscription.sent_revision, wanted.revision)
        subscription.problem = None
        keep_problems(session, subscription.client_id, (*GONE, PaymentProblemKind.CHANGE_REFUSED))
        if facts is not None:
            subscription.stripe_customer, subscription.stripe_subscription = facts.customer, facts.id
            take_over(session, subscription, facts, number=number)
        session.add(subscription)


def refresh_subscription(context: JobContext, service: PaymentGateway, stripe_id: str) -> str:
    """Ask Stripe how a subscription is, and take that over. Returns what came of it."""
    ours = col(Subscription.stripe_subscription) == stripe_id
    with context.reading() as session:
        if session.exec(select(Subscription.id).where(ours)).one_or_none() is None:
            return NOT_OURS
    number = next_read(context)
    facts = service.subscription(stripe_id)
    with context.unit() as session:
        subscription = _locked(session, ours)
        if subscription is None:
            return NOT_OURS
        return "taken over" if take_over(session, subscription, facts, number=number) else "older than what we know"


def take_over(session: Session, subscription: Subscription, facts: SubscriptionFacts, *, number: int) -> bool:
    """Stripe's word on state, period and plan. Changes made here that Stripe doesn't know yet stay."""
    if number <= subscription.read:
        return False
    subscription.read = number
    subscription.period_start, subscription.period_end = facts.period_start, facts.period_end
    if subscription.sent_revision >= subscription.revision:
        note_changes(session, subscription, facts)
        subscription.state, subscription.state_since = _state(subscription, facts)
        subscription.cancel_at_period_end = facts.cancel_at_period_end
        subscription.trial_ends_at = facts.trial_ends_at
        subscription.next_plan_id = facts.next_plan_id
        if facts.plan_id is not None and (plan := session.get(MaintenancePlan, facts.plan_id)) is not None:
            subscription.plan_id = plan.id
            client = session.get_one(Client, subscription.client_id)
            client.plan = plan.tier
            session.add(client)
    session.add(subscription)
    return True


def _state(subscription: Subscription, facts: SubscriptionFacts) -> tuple[SubscriptionState, datetime]:
    """Stripe doesn't say since when collection is paused."""
    if facts.state is SubscriptionState.PAUSED and subscription.state is SubscriptionState.PAUSED:
        return subscription.state, subscription.state_since
    return facts.state, now() if facts.state is SubscriptionState.PAUSED else facts.since


def note_sync_refused(session: Session, subscription_id: UUID, reason: str) -> None:
    """A change that Stripe refused for good: said where its maker looks, and kept until one goes through."""
    subscription = session.get(Subscription, subscription_id)
    if subscription is None:
        return
    subscription.problem = reason
    session.add(subscription)
    client = session.get_one(Client, subscription.client_id)
    kind = PaymentProblemKind.CHANGE_REFUSED
    summary = f"{client.name}: a change has not reached Stripe: {reason}"
    to_do = f"settle the cause; it is sent again every night, or at once with 'tuneloop plan repair {client.slug}'"
    raise_problem(session, client.id, Exceptional(kind, kind, summary, to_do))


def owner_of(session: Session, facts: InvoiceFacts | Checkout) -> Subscription | None:
    """Whose it is: it carries our mark, and both its client and its customer are those of one row.

    An invoice that is kept already stays its client's, though that has another customer by now.
    """
    if isinstance(facts, InvoiceFacts):
        kept = select(Subscription).join(Invoice, col(Invoice.client_id) == Subscription.client_id)
        kept = kept.where(Invoice.stripe_id == facts.id, Invoice.client_id == facts.client_id)
        if (owner := session.exec(kept).one_or_none()) is not None:
            return owner
    query = select(Subscription).where(
        Subscription.stripe_customer == facts.customer, Subscription.client_id == facts.client_id
    )
    return session.exec(query).one_or_none()


def keep_invoice(session: Session, facts: InvoiceFacts, *, number: int) -> str:
    """Keep how an invoice is, unless a later reading is kept already."""
    owner = owner_of(session, facts)
    if owner is None:
        return NOT_OURS
    # The owner's row orders those who see an invoice for the first time.
    _locked(session, col(Subscription.id) == owner.id)
    query = select(Invoice).where(Invoice.stripe_id == facts.id).with_for_update()
    invoice = session.exec(query.execution_options(populate_existing=True)).one_or_none()
    if invoice is None:
        invoice = Invoice(
            client_id=owner.client_id,
            stripe_id=facts.id,
            status=facts.status,
            currency=facts.currency,
            total=facts.total,
            amount_paid=0,
            amount_remaining=0,
            issued_at=facts.issued_at,
        )
    if number <= invoice.read:
        return "older than what we know"
    invoice.read, invoice.seen_at = number, now()
    invoice.month, invoice.number, invoice.status, invoice.total = facts.month, facts.number, facts.status, facts.total
    invoice.amount_paid, invoice.amount_remaining = facts.amount_paid, facts.amount_remaining
    invoice.credited, invoice.paid_at, invoice.hosted_url = facts.credited, facts.paid_at, facts.hosted_url
    invoice.lines, invoice.tax = [line._asdict() for line in facts.lines], facts.tax
    session.add(invoice)
    session.flush()
    if facts.payments is not None:
        keep_payments(session, invoice, facts.payments)
    return "kept"


def forget_invoice(session: Session, stripe_id: str, *, number: int) -> str:
    """Stripe has it no more: a draft that somebody deleted."""
    query = select(Invoice).where(Invoice.stripe_id == stripe_id).with_for_update()
    invoice = session.exec(query.execution_options(populate_existing=True)).one_or_none()
    if invoice is None:
        return NOT_OURS
    if number > invoice.read:
        invoice.status, invoice.read = DELETED, number
        session.add(invoice)
    return "deleted at Stripe"


def _locked(session: Session, condition: object) -> Subscription | None:
    query = select(Subscription).where(condition).with_for_update()  # type: ignore[arg-type]
    return session.exec(query.execution_options(populate_existing=True)).one_or_none()


class PlanDifference(NamedTuple):
    plan: str
    what: str


def sync_catalogue(context: JobContext) -> list[PlanDifference]:
    """Products and prices at Stripe for every plan. Returns what was changed there by hand, and what Stripe refused."""
    service = gateway(context)
    if service is None:
        return []
    with context.reading() as session:
        plans = [(price_of(plan), plan.archived_at is None) for plan in session.exec(select(MaintenancePlan))]
    found = []
    for price, sold in plans:
        try:
            mended = service.publish(price, sold=sold)
        except PaymentRefused as refusal:
            mended = [f"it can't be published: {refusal.message}"]
        found += [PlanDifference(price.name, what) for what in mended]
    return found

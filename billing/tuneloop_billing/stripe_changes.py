"""What somebody did to a client's customer or subscription at Stripe, and what can be done about it here."""

from uuid import UUID

from sqlmodel import Session, select

from tuneloop.clients.money import Money
from tuneloop.tables import Client, MaintenancePlan, PaymentProblemKind, Subscription, SubscriptionState
from tuneloop_billing.payment_provider.protocol import GoneAtProvider, PaymentRefused, SubscriptionFacts
from tuneloop_billing.problems import Exceptional, keep_problems, raise_problem

K = PaymentProblemKind
S = SubscriptionState
GONE = (K.CUSTOMER_GONE, K.SUBSCRIPTION_GONE)
_AGAIN = "put the client on a plan again (tuneloop plan set {slug} PLAN), or dismiss this"
_REPAIR = "make it anew with 'tuneloop plan repair {slug}', or end it here with 'tuneloop plan cancel {slug} --at-once'"


def note_gone(session: Session, client_id: UUID, gone: GoneAtProvider) -> None:
    """A customer or subscription that isn't there: from now on nothing is invoiced."""
    client, subscription = session.get_one(Client, client_id), _subscription(session, client_id)
    ended = subscription is None or subscription.state is S.CANCELLED
    kind = K.CUSTOMER_GONE if gone.kind == "customer" else K.SUBSCRIPTION_GONE
    summary = f"{client.name} can't be invoiced: {gone.message}"
    to_do = (_AGAIN if ended else _REPAIR).format(slug=client.slug)
    raise_problem(session, client_id, Exceptional(kind, f"{kind}:{gone.details['id']}", summary, to_do))


def note_refusal(session: Session, client_id: UUID, kind: K, refusal: PaymentRefused, *, to_do: str) -> None:
    if isinstance(refusal, GoneAtProvider) and refusal.kind in ("customer", "subscription"):
        note_gone(session, client_id, refusal)
        return
    client = session.get_one(Client, client_id)
    raise_problem(session, client_id, Exceptional(kind, kind, f"{client.name}: {refusal.message}", to_do))


def note_changes(session: Session, subscription: Subscription, facts: SubscriptionFacts) -> None:
    """Compare what is known here with what Stripe says, before it is taken over."""
    client = session.get_one(Client, subscription.client_id)
    found = [
        each
        for each in (_price(session, client, subscription, facts), _ending(client, subscription, facts))
        if each is not None
    ]
    kept = [K.CHANGED_AT_STRIPE]
    if facts.state is not S.CANCELLED and not facts.cancel_at_period_end:
        kept.append(K.CANCELLED_AT_STRIPE)
    if facts.state is not S.PAUSED:
        kept.append(K.PAUSED_AT_STRIPE)
    keep_problems(session, client.id, kept, [each for each in found if each.kind in kept])
    for each in found:
        if each.kind not in kept:
            raise_problem(session, client.id, each)


def _price(
    session: Session, client: Client, subscription: Subscription, facts: SubscriptionFacts
) -> Exceptional | None:
    if facts.state is S.CANCELLED:
        return None
    plan = session.get_one(MaintenancePlan, facts.plan_id or subscription.plan_id)
    if facts.plan_id is not None and (facts.amount, facts.currency) == (plan.price, plan.currency):
        return None
    there = "a price that isn't a fixed amount" if facts.amount is None else str(Money(facts.amount, facts.currency))
    times = f" ({facts.quantity} times)" if facts.quantity != 1 else ""
    return Exceptional(
        K.CHANGED_AT_STRIPE,
        f"{K.CHANGED_AT_STRIPE}:{facts.id}:{facts.amount}:{facts.currency}:{facts.quantity}",
        f"{client.name} is invoiced {there}{times} per month at Stripe, and plan {plan.slug} says "
        f"{Money(plan.price, plan.currency)} here",
        f"set Stripe back with 'tuneloop plan repair {client.slug}', or put the client on a plan at that price; "
        "the next change made here sets it back too",
    )


def _ending(client: Client, subscription: Subscription, facts: SubscriptionFacts) -> Exceptional | None:
    """Ended, ending or paused there and not here: by the client in its portal, or by hand."""
    if facts.state is S.CANCELLED and subscription.state is not S.CANCELLED and not subscription.cancel_at_period_end:
        return Exceptional(
            K.CANCELLED_AT_STRIPE,
            f"{K.CANCELLED_AT_STRIPE}:{facts.id}",
            f"{client.name}'s subscription was cancelled at Stripe, not here, on {facts.since:%Y-%m-%d}; "
            "maintenance has ended and nothing is invoiced any more",
            _AGAIN.format(slug=client.slug),
        )
    if facts.state is S.CANCELLED:
        return None
    if facts.cancel_at_period_end and not subscription.cancel_at_period_end:
        return Exceptional(
            K.CANCELLED_AT_STRIPE,
            f"{K.CANCELLED_AT_STRIPE}:{facts.id}:{facts.period_end:%Y-%m-%d}",
            f"{client.name}'s subscription was cancelled at Stripe, not here: it ends on {facts.period_end:%Y-%m-%d}",
            f"talk to the client, take it back with 'tuneloop plan resume {client.slug}', or dismiss this",
        )
    if facts.state is S.PAUSED and subscription.state is not S.PAUSED:
        return Exceptional(
            K.PAUSED_AT_STRIPE,
            f"{K.PAUSED_AT_STRIPE}:{facts.id}",
            f"{client.name}'s subscription was paused at Stripe, not here: nothing is invoiced and maintenance stops",
            f"end the pause with 'tuneloop plan resume {client.slug}', or dismiss this",
        )
    return None


def _subscription(session: Session, client_id: UUID) -> Subscription | None:
    return session.exec(select(Subscription).where(Subscription.client_id == client_id)).one_or_none()

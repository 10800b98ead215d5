"""Subscribe, upgrade, downgrade, pause, resume, cancel: changes here, in one transaction, sent to Stripe by a job."""

from datetime import datetime, timedelta

from sqlmodel import Session, select

from tuneloop.audit.service import record
from tuneloop.clients.entitlements import Entitlements
from tuneloop.clients.money import Money
from tuneloop.clients.quorum import people_needed, require_owner
from tuneloop.clients.service import find_client
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, InvalidInput, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.people.loosened import tell_admins
from tuneloop.tables import Client, MaintenancePlan, Role, Subscription, SubscriptionState
from tuneloop_billing.confirmation import ConfirmationNeeded
from tuneloop_billing.enqueue_sync import send
from tuneloop_billing.plans.service import find_plan
from tuneloop_billing.problems import open_problems
from tuneloop_billing.stripe_changes import GONE

S = SubscriptionState


def choose_plan(
    session: Session,
    *,
    principal: Principal,
    client: str,
    plan: str,
    trial_days: int = 0,
    coupon: str | None = None,
    moment: datetime | None = None,
) -> Subscription:
    """Subscribe a client, or move it: to a dearer plan at once and prorated, to a cheaper one at the period's end.

    Raises:
        Conflict: it is on this plan, or isn't in a state to change.
        InvalidInput: the plan is archived, in another currency, or a trial or coupon is given for a change.
    """
    principal.require(Role.ADMIN)
    row, chosen, at = find_client(session, client), find_plan(session, plan), moment or now()
    if chosen.archived_at is not None:
        raise InvalidInput(f"plan {plan} is archived; choose another one", plan=plan)
    found = _locked(session, row)
    _keep_quorum(session, principal, row, chosen)
    if found is None or found.state is S.CANCELLED:
        subscription = _subscribe(session, row, chosen, found, trial_days=trial_days, coupon=coupon, at=at)
    elif trial_days or coupon:
        raise InvalidInput("a trial or a coupon is for a first subscription; leave it out to change the plan")
    else:
        subscription = _move(session, found, chosen)
        if found.next_plan_id is None:
            row.plan = chosen.tier
    session.add(row)
    _changed(session, principal, subscription, "subscription.plan", plan=plan, at_period_end=subscription.next_plan_id)
    return subscription


def _keep_quorum(session: Session, principal: Principal, client: Client, chosen: MaintenancePlan) -> None:
    """A plan says how many people approve too: one that asks for fewer takes an owner, and admins are told."""
    before, after = people_needed(session, client), Entitlements.model_validate(chosen.entitlements).quorum
    if after >= before:
        return
    require_owner(principal, to=f"choose a plan under which fewer people approve (quorum: {before} \u2192 {after})")
    tell_admins(
        session,
        principal=principal,
        client=client,
        about=f"{client.slug} on plan {chosen.slug}",
        kind="client",
        subject_id=client.id,
        changes=[f"quorum: {before} \u2192 {after}"],
    )


def _subscribe(
    session: Session,
    client: Client,
    plan: MaintenancePlan,
    ended: Subscription | None,
    *,
    trial_days: int,
    coupon: str | None,
    at: datetime,
) -> Subscription:
    """A client that comes back keeps its row, and its customer at Stripe."""
    subscription = ended or Subscription(client_id=client.id, plan_id=plan.id, state=S.ACTIVE, revision=0)
    subscription.plan_id, subscription.next_plan_id = plan.id, None
    subscription.state, subscription.state_since, subscription.started_at = (
        (S.TRIAL if trial_days else S.ACTIVE),
        at,
        at,
    )
    subscription.trial_ends_at = at + timedelta(days=trial_days) if trial_days else None
    subscription.coupon, subscription.cancel_at_period_end, subscription.stripe_subscription = coupon, False, None
    client.plan = plan.tier
    session.add(subscription)
    session.flush()
    return subscription


def _move(session: Session, subscription: Subscription, chosen: MaintenancePlan) -> Subscription:
    current = session.get_one(MaintenancePlan, subscription.plan_id)
    if chosen.currency != current.currency:
        raise InvalidInput(
            f"{current.slug} is in {current.currency.upper()}, {chosen.slug} in {chosen.currency.upper()}; "
            "cancel the subscription and start another one to change the currency"
        )
    if subscription.next_plan_id is None and chosen.id == current.id:
        raise Conflict(f"the client is on {chosen.slug} already", plan=chosen.slug)
    if subscription.state not in (S.TRIAL, S.ACTIVE):
        raise Conflict(
            f"the subscription is {subscription.state}; settle that before changing its plan", state=subscription.state
        )
    if chosen.id == current.id:
        subscription.next_plan_id = None
    elif chosen.price < current.price and subscription.state is S.ACTIVE:
        subscription.next_plan_id = chosen.id
    else:
        subscription.plan_id, subscription.next_plan_id = chosen.id, None
    return subscription


def pause(session: Session, *, principal: Principal, client: str) -> Subscription:
    """Suspend all maintenance and invoice nothing. Models keep serving."""
    subscription = _to_change(session, principal, client, (S.TRIAL, S.ACTIVE, S.PAST_DUE), "paused")
    _enter(subscription, S.PAUSED)
    return _changed(session, principal, subscription, "subscription.pause")


def resume(session: Session, *, principal: Principal, client: str) -> Subscription:
    """End a pause, or take a cancellation back that hasn't happened yet."""
    subscription = _to_change(session, principal, client, (S.TRIAL, S.ACTIVE, S.PAST_DUE, S.PAUSED), "resumed")
    if subscription.state is not S.PAUSED and not subscription.cancel_at_period_end:
        raise Conflict("the subscription is neither paused nor cancelled", state=subscription.state)
    subscription.cancel_at_period_end = False
    if subscription.state is S.PAUSED:
        _enter(subscription, S.ACTIVE)
    return _changed(session, principal, subscription, "subscription.resume")


def cancel(
    session: Session, *, principal: Principal, client: str, at_once: bool = False, confirmed: bool
) -> Subscription:
    """At the end of the paid period, or at once. Models keep serving and data is kept.

    Raises:
        ConfirmationNeeded: not `confirmed`.
    """
    subscription = _to_change(session, principal, client, (S.TRIAL, S.ACTIVE, S.PAST_DUE, S.PAUSED), "cancelled")
    immediate = at_once or subscription.state is S.PAUSED
    if not confirmed:
        raise ConfirmationNeeded(_end_in_words(session, client, subscription, at_once=immediate), confirmed=True)
    if immediate:
        _enter(subscription, S.CANCELLED)
        subscription.next_plan_id = None
    else:
        subscription.cancel_at_period_end = True
    return _changed(session, principal, subscription, "subscription.cancel", at_once=at_once)


def _end_in_words(session: Session, client: str, subscription: Subscription, *, at_once: bool) -> str:
    plan, end = session.get_one(MaintenancePlan, subscription.plan_id), subscription.period_end
    when = "now" if at_once else f"on {end:%Y-%m-%d}" if end else "at the end of the period"
    price = Money(plan.price, plan.currency)
    return f"this ends {client}'s subscription to {plan.name} ({price} per month) {when}; models keep serving"


def repair(session: Session, *, principal: Principal, client: str) -> Subscription:
    """Bring Stripe back to what holds here: plan, price and number; what was deleted there is made anew.

    Raises:
        Conflict: the subscription has ended here too.
    """
    principal.require(Role.ADMIN)
    row = find_client(session, client)
    subscription = _locked(session, row)
    if subscription is None:
        raise NotFound("subscription of client", row.slug)
    if subscription.state is S.CANCELLED:
        raise Conflict("the subscription has ended; put the client on a plan again", state=subscription.state)
    gone = {each.problem.kind for each in open_problems(session, client_id=row.id)}
    if gone & set(GONE):
        subscription.stripe_subscription = None
    return _changed(session, principal, subscription, "subscription.repair", gone=", ".join(sorted(gone)))


def find_subscription(session: Session, client: Client) -> Subscription:
    subscription = session.exec(select(Subscription).where(Subscription.client_id == client.id)).one_or_none()
    if subscription is None:
        raise NotFound("subscription of client", client.slug)
    return subscription


def _to_change(
    session: Session, principal: Principal, client: str, states: tuple[SubscriptionState, ...], what: str
) -> Subscription:
    principal.require(Role.ADMIN)
    row = find_client(session, client)
    subscription = _locked(session, row)
    if subscription is None:
        raise NotFound("subscription of client", row.slug)
    if subscription.state not in states:
        raise Conflict(f"the subscription is {subscription.state}; it can't be {what}", state=subscription.state)
    return subscription


def _locked(session: Session, client: Client) -> Subscription | None:
    query = select(Subscription).where(Subscription.client_id == client.id).with_for_update()
    return session.exec(query.execution_options(populate_existing=True)).one_or_none()


def _enter(subscription: Subscription, state: SubscriptionState) -> None:
    subscription.state, subscription.state_since = state, now()


def _changed(
    session: Session, principal: Principal, subscription: Subscription, action: str, **detail: object
) -> Subscription:
    send(session, subscription)
    details = {name: str(value) for name, value in detail.items() if value}
    record(session, principal, action, "subscription", subscription.id, client_id=subscription.client_id, **details)
    return subscription

"""Make, change and archive plans."""

from uuid import UUID

from sqlalchemy import func
from sqlmodel import Session, col, or_, select

from tuneloop.audit.service import record
from tuneloop.clients.entitlements import Entitlements
from tuneloop.clients.quorum import require_owner
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, InvalidInput, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.people.loosened import tell_admins
from tuneloop.tables import (
    BillingAccount,
    Feature,
    MaintenancePlan,
    Plan,
    Role,
    Subscription,
    SubscriptionState,
)
from tuneloop_billing.enqueue_sync import publish, send
from tuneloop_billing.plans.templates import TEMPLATES

SELLABLE = (Feature.RETRAIN, Feature.AB_TEST, Feature.NEW_CATEGORY, Feature.LABELS, Feature.GPU_MINUTES)


def create_plan(
    session: Session,
    *,
    principal: Principal,
    slug: str,
    tier: Plan,
    name: str | None = None,
    price: int | None = None,
    currency: str | None = None,
    entitlements: Entitlements | None = None,
    extras: dict[Feature, int] | None = None,
) -> MaintenancePlan:
    """From the template of its tier, with what is given in place of the template's.

    Raises:
        Conflict: there is such a plan. InvalidInput: a currency other than the template's, without its prices.
    """
    principal.require(Role.ADMIN)
    if session.exec(select(MaintenancePlan).where(MaintenancePlan.slug == slug)).one_or_none():
        raise Conflict(f"there is a plan {slug} already; change it, or take another name", slug=slug)
    template = TEMPLATES[tier]
    used = currency or session.exec(select(BillingAccount.currency)).one_or_none() or "usd"
    if used != "usd" and (price is None or extras is None):
        raise InvalidInput(f"the template's prices are US dollars; give the price and the extras in {used.upper()}")
    plan = MaintenancePlan(
        slug=slug,
        name=name or template.name,
        tier=tier,
        price=template.price if price is None else price,
        currency=used,
        entitlements=(entitlements or template.entitlements).model_dump(mode="json"),
        extras=_sellable(template.extras if extras is None else extras),
    )
    session.add(plan)
    session.flush()
    publish(session, plan)
    record(session, principal, "plan.create", "plan", plan.id, slug=slug, price=plan.price, currency=plan.currency)
    return plan


def change_plan(
    session: Session,
    *,
    principal: Principal,
    slug: str,
    name: str | None = None,
    price: int | None = None,
    entitlements: Entitlements | None = None,
    extras: dict[Feature, int] | None = None,
) -> MaintenancePlan:
    """Entitlements hold at once, a new price from each client's next invoice on."""
    principal.require(Role.ADMIN)
    plan = find_plan(session, slug)
    before = {"price": plan.price, "entitlements": plan.entitlements, "extras": plan.extras}
    if price is not None and price != plan.price:
        plan.price = price
        of_plan = or_(col(Subscription.plan_id) == plan.id, col(Subscription.next_plan_id) == plan.id)
        for subscription in session.exec(select(Subscription).where(of_plan)):
            send(session, subscription)
    plan.name = name or plan.name
    if entitlements is not None:
        was = Entitlements.model_validate(plan.entitlements).quorum
        if entitlements.quorum < was:
            require_owner(principal, to=f"have fewer people approve (quorum: {was} \u2192 {entitlements.quorum})")
            changes = [f"quorum: {was} \u2192 {entitlements.quorum}"]
            tell_admins(
                session,
                principal=principal,
                client=None,
                about=f"plan {slug}",
                kind="plan",
                subject_id=plan.id,
                changes=changes,
            )
        plan.entitlements = entitlements.model_dump(mode="json")
    if extras is not None:
        plan.extras = _sellable(extras)
    session.add(plan)
    publish(session, plan)
    record(session, principal, "plan.change", "plan", plan.id, slug=slug, before=before, price=plan.price)
    return plan


def archive_plan(session: Session, *, principal: Principal, slug: str) -> MaintenancePlan:
    """Raises Conflict while a client is on it."""
    principal.require(Role.ADMIN)
    plan = find_plan(session, slug)
    if count := clients_on(session).get(plan.id, 0):
        raise Conflict(f"{count} clients are on {slug}; move them to another plan first", slug=slug, clients=count)
    plan.archived_at = plan.archived_at or now()
    session.add(plan)
    publish(session, plan)
    record(session, principal, "plan.archive", "plan", plan.id, slug=slug)
    return plan


def find_plan(session: Session, slug: str) -> MaintenancePlan:
    plan = session.exec(select(MaintenancePlan).where(MaintenancePlan.slug == slug)).one_or_none()
    if plan is None:
        raise NotFound("plan", slug)
    return plan


def list_plans(session: Session, *, client_id: UUID | None = None) -> list[MaintenancePlan]:
    """Cheapest first; with `client_id` only the plan that this client is on."""
    query = select(MaintenancePlan).order_by(col(MaintenancePlan.price), MaintenancePlan.slug)
    if client_id is not None:
        query = query.join(Subscription, col(Subscription.plan_id) == MaintenancePlan.id)
        query = query.where(Subscription.client_id == client_id)
    return list(session.exec(query))


def clients_on(session: Session) -> dict[UUID, int]:
    """Number of clients by plan; those who have cancelled don't count."""
    query = select(Subscription.plan_id, func.count()).where(Subscription.state != SubscriptionState.CANCELLED)
    return dict(session.exec(query.group_by(col(Subscription.plan_id))).all())


def _sellable(extras: dict[Feature, int]) -> dict[str, int]:
    if unknown := set(extras) - set(SELLABLE):
        raise InvalidInput(f"{', '.join(sorted(unknown))} can't be sold as an extra; these can: {', '.join(SELLABLE)}")
    return {feature.value: price for feature, price in extras.items()}

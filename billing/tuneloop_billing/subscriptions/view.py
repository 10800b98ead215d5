"""One subscription with everything that a reader asks about it."""

from datetime import datetime

from sqlmodel import Session

from tuneloop.clients.dunning import next_step, step_of
from tuneloop.clients.entitlements import Allowance, Entitlements, allowance
from tuneloop.kit.clock import now
from tuneloop.tables import Client, Feature, MaintenancePlan, Subscription
from tuneloop_billing.subscriptions.schemas import AllowanceRead, DunningRead, SubscriptionRead


def view_of(session: Session, subscription: Subscription, *, moment: datetime | None = None) -> SubscriptionRead:
    at = moment or now()
    plan = session.get_one(MaintenancePlan, subscription.plan_id)
    coming = session.get(MaintenancePlan, subscription.next_plan_id) if subscription.next_plan_id else None
    following = next_step(subscription, moment=at)
    step = step_of(subscription, moment=at)
    return SubscriptionRead(
        client=session.get_one(Client, subscription.client_id).slug,
        plan=plan.slug,
        plan_name=plan.name,
        price=plan.price,
        currency=plan.currency,
        next_plan=coming.slug if coming else None,
        state=subscription.state,
        state_since=subscription.state_since,
        trial_ends_at=subscription.trial_ends_at,
        period_start=subscription.period_start,
        period_end=subscription.period_end,
        cancel_at_period_end=subscription.cancel_at_period_end,
        coupon=subscription.coupon,
        entitlements=Entitlements.model_validate(plan.entitlements),
        allowances=[_read(allowance(session, subscription.client_id, feature, moment=at)) for feature in Feature],
        dunning=DunningRead(
            step=step.name,
            what=step.sentence,
            next_step=following[0].name if following else None,
            next_at=following[1] if following else None,
        ),
        in_step_with_stripe=subscription.sent_revision == subscription.revision,
        problem=subscription.problem,
    )


def _read(found: Allowance) -> AllowanceRead:
    return AllowanceRead(
        feature=found.feature,
        allowed=found.allowed,
        included=found.included,
        used=found.used,
        left=found.left,
        price=found.price.amount if found.price else None,
        suspension=found.suspension,
    )

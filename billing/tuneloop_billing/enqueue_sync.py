"""Changes on their way to Stripe: a job in the transaction of the change."""

from sqlmodel import Session

from tuneloop.kit.jobs import enqueue
from tuneloop.tables import MaintenancePlan, Subscription
from tuneloop_billing.jobs import SyncCatalogue, SyncSubscription


def send(session: Session, subscription: Subscription) -> None:
    """Count a change of a subscription, and have it sent."""
    subscription.revision += 1
    session.add(subscription)
    session.flush()
    enqueue(
        session,
        SyncSubscription(subscription_id=subscription.id),
        agency_id=subscription.agency_id,
        client_id=subscription.client_id,
        dedupe_key=f"billing.sync:{subscription.id}:{subscription.revision}",
    )


def publish(session: Session, plan: MaintenancePlan) -> None:
    session.flush()
    enqueue(
        session,
        SyncCatalogue(agency_id=plan.agency_id),
        agency_id=plan.agency_id,
        dedupe_key=f"billing.catalogue:{plan.agency_id}",
    )

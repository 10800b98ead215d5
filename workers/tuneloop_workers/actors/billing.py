"""Jobs of billing."""

from datetime import timedelta

from tuneloop.kit.clock import now
from tuneloop.kit.jobs import enqueue
from tuneloop.tables import Subscription
from tuneloop_billing import sync
from tuneloop_billing.closing.service import NotYet, close_month
from tuneloop_billing.jobs import CloseMonth, DailyRound, HandleStripeEvent, SyncCatalogue, SyncFailed, SyncSubscription
from tuneloop_billing.rounds import begin_months, reconcile
from tuneloop_billing.webhooks.service import handle
from tuneloop_reports.month_end import MonthEnd
from tuneloop_workers.actors.reports import renderer
from tuneloop_workers.runtime import Context, handles


@handles(SyncSubscription)
def send_change(context: Context, job: SyncSubscription) -> None:
    sync.sync_subscription(context, job.subscription_id)


@handles(SyncFailed)
def note_refusal(context: Context, job: SyncFailed) -> None:
    with context.unit() as session:
        subscription = session.get(Subscription, job.subscription_id)
        if subscription is not None:
            subscription.problem = job.reason
            session.add(subscription)


@handles(SyncCatalogue)
def publish_plans(context: Context, job: SyncCatalogue) -> None:
    del job
    sync.sync_catalogue(context)


@handles(HandleStripeEvent)
def act_on_event(context: Context, job: HandleStripeEvent) -> None:
    handle(context, job.event_id)


@handles(DailyRound)
def go_round(context: Context, job: DailyRound) -> None:
    del job
    reconcile(context)
    with context.unit() as session:
        begin_months(session)


@handles(CloseMonth)
def go_on_with_month(context: Context, job: CloseMonth) -> None:
    """A month whose renewal is still to come is gone on with when it has come."""
    renderer().begin()
    try:
        close_month(context, job.close_id, MonthEnd(context.settings))
    except NotYet as waits:
        with context.unit() as session:
            enqueue(
                session,
                job,
                agency_id=context.held.agency_id,
                client_id=context.held.client_id,
                dedupe_key=f"billing.close:{job.close_id}:{waits.until:%Y%m%d%H%M}",
                delay=max(waits.until - now(), timedelta(minutes=1)),
            )

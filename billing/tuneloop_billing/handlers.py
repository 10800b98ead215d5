"""Jobs of billing."""

from datetime import timedelta

from tuneloop.kit.clock import now
from tuneloop.kit.jobs import enqueue
from tuneloop.kit.jobs.runtime import JobContext, handles
from tuneloop_billing import stripe_sync
from tuneloop_billing.jobs import (
    CloseFailed,
    CloseMonth,
    DailyRound,
    HandleStripeEvent,
    SyncCatalogue,
    SyncFailed,
    SyncSubscription,
)
from tuneloop_billing.month_end.service import NotYet, close_month, note_close_failed
from tuneloop_billing.reconciliation import begin_months, reconcile
from tuneloop_billing.webhooks.service import handle
from tuneloop_reports.handlers import renderer
from tuneloop_reports.month_end import MonthEnd


@handles(SyncSubscription)
def send_change(context: JobContext, job: SyncSubscription) -> None:
    stripe_sync.sync_subscription(context, job.subscription_id)


@handles(SyncFailed)
def note_refusal(context: JobContext, job: SyncFailed) -> None:
    with context.unit() as session:
        stripe_sync.note_sync_refused(session, job.subscription_id, job.reason)


@handles(SyncCatalogue)
def publish_plans(context: JobContext, job: SyncCatalogue) -> None:
    del job
    stripe_sync.sync_catalogue(context)


@handles(HandleStripeEvent)
def act_on_event(context: JobContext, job: HandleStripeEvent) -> None:
    handle(context, job.event_id)


@handles(DailyRound)
def go_round(context: JobContext, job: DailyRound) -> None:
    """Months end whatever Stripe says: what could not be compared is tried again."""
    del job
    with context.unit() as session:
        begin_months(session)
    reconcile(context)


@handles(CloseFailed)
def note_month_failed(context: JobContext, job: CloseFailed) -> None:
    with context.unit() as session:
        note_close_failed(session, job.close_id, job.reason)


@handles(CloseMonth)
def go_on_with_month(context: JobContext, job: CloseMonth) -> None:
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

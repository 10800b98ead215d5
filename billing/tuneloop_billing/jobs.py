"""The jobs of billing."""

from typing import ClassVar
from uuid import UUID

from tuneloop.kit.jobs.job import Job, Queue


class SyncFailed(Job):
    """Note why Stripe refused a change, where its maker sees it."""

    name: ClassVar[str] = "billing.sync_failed"
    title: ClassVar[str] = "Note what Stripe refused"
    queue: ClassVar[Queue] = Queue.QUICK

    subscription_id: UUID
    reason: str


class SyncSubscription(Job):
    """Send what was changed here to Stripe, and take over what Stripe says."""

    name: ClassVar[str] = "billing.sync"
    title: ClassVar[str] = "Bring a subscription to Stripe"
    max_attempts: ClassVar[int] = 8

    subscription_id: UUID

    def if_dead(self, reason: str) -> Job:
        return SyncFailed(subscription_id=self.subscription_id, reason=reason[:2000])


class SyncCatalogue(Job):
    """Bring the products and prices at Stripe to what the plans say."""

    name: ClassVar[str] = "billing.catalogue"
    title: ClassVar[str] = "Bring plans and prices to Stripe"
    max_attempts: ClassVar[int] = 8

    agency_id: UUID


class HandleStripeEvent(Job):
    """Look at Stripe again at what a webhook was about."""

    name: ClassVar[str] = "billing.event"
    title: ClassVar[str] = "Look at what Stripe reports"
    max_attempts: ClassVar[int] = 12

    event_id: UUID


class CloseFailed(Job):
    """Note why a month can't be ended."""

    name: ClassVar[str] = "billing.close_failed"
    title: ClassVar[str] = "Note why a month can't be ended"
    queue: ClassVar[Queue] = Queue.QUICK

    close_id: UUID
    reason: str


class CloseMonth(Job):
    """Go on with the end of a month for a client."""

    name: ClassVar[str] = "billing.close"
    title: ClassVar[str] = "End a client's month"
    queue: ClassVar[Queue] = Queue.SLOW
    max_attempts: ClassVar[int] = 8

    close_id: UUID

    def if_dead(self, reason: str) -> Job:
        return CloseFailed(close_id=self.close_id, reason=reason[:2000])


class DailyRound(Job):
    """Compare an agency with Stripe, and see to the months that have ended."""

    name: ClassVar[str] = "billing.round"
    title: ClassVar[str] = "Compare with Stripe, every day"
    queue: ClassVar[Queue] = Queue.SLOW

    agency_id: UUID

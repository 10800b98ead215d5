"""The jobs of billing."""

from typing import ClassVar
from uuid import UUID

from tuneloop.kit.jobs.job import Job


class SyncSubscription(Job):
    """Send what was changed here to Stripe, and take over what Stripe says."""

    name: ClassVar[str] = "billing.sync"
    max_attempts: ClassVar[int] = 8

    subscription_id: UUID

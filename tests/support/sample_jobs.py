"""Jobs that only tests run."""

from typing import ClassVar
from uuid import UUID

from tuneloop.kit.jobs import Job
from tuneloop.kit.jobs.job import Queue


class Mourn(Job):
    """The follow-up of a job that died."""

    name: ClassVar[str] = "test.mourn"

    subject: UUID
    reason: str


class Errand(Job):
    name: ClassVar[str] = "test.errand"
    queue: ClassVar[Queue] = Queue.DEFAULT
    max_attempts: ClassVar[int] = 2

    subject: UUID

    def if_dead(self, reason: str) -> Job:
        return Mourn(subject=self.subject, reason=reason)

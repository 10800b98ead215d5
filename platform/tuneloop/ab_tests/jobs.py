"""The jobs of an A/B test."""

from typing import ClassVar
from uuid import UUID

from tuneloop.kit.jobs.job import Job, Queue


class GiveUpAbTest(Job):
    """End a test that could not begin."""

    name: ClassVar[str] = "ab_test.give_up"
    title: ClassVar[str] = "End an A/B test that could not begin"
    queue: ClassVar[Queue] = Queue.QUICK

    ab_test_id: UUID
    reason: str


class BeginAbTest(Job):
    """Load the candidate on the serving hosts, then split the traffic."""

    name: ClassVar[str] = "ab_test.begin"
    title: ClassVar[str] = "Begin an A/B test"
    queue: ClassVar[Queue] = Queue.QUICK

    ab_test_id: UUID

    def if_dead(self, reason: str) -> Job:
        return GiveUpAbTest(ab_test_id=self.ab_test_id, reason=reason[:2000])


class ReadAbTest(Job):
    """Ask people about both arms, read what is known, and stop the test if it does harm or its time is over."""

    name: ClassVar[str] = "ab_test.read"
    title: ClassVar[str] = "Read an A/B test"

    ab_test_id: UUID

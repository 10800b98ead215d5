"""The jobs of a shadow test."""

from typing import ClassVar
from uuid import UUID

from tuneloop.kit.jobs.job import Job, Queue


class GiveUpShadowTest(Job):
    """End a test that could not begin."""

    name: ClassVar[str] = "shadow_test.give_up"
    title: ClassVar[str] = "End a shadow test that could not begin"
    queue: ClassVar[Queue] = Queue.QUICK

    shadow_test_id: UUID
    reason: str


class BeginShadowTest(Job):
    """Load the candidate on the serving hosts, then put questions to it."""

    name: ClassVar[str] = "shadow_test.begin"
    title: ClassVar[str] = "Begin a shadow test"
    queue: ClassVar[Queue] = Queue.QUICK

    shadow_test_id: UUID

    def if_dead(self, reason: str) -> Job:
        return GiveUpShadowTest(shadow_test_id=self.shadow_test_id, reason=reason[:2000])


class ReadShadowTest(Job):
    """Compare the answers that came in, ask people about some that differ, and end the test when it is over."""

    name: ClassVar[str] = "shadow_test.read"
    title: ClassVar[str] = "Read a shadow test"

    shadow_test_id: UUID

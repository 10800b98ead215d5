"""Jobs that look after a model's examples."""

from typing import ClassVar
from uuid import UUID

from tuneloop.kit.jobs.job import Job, Queue


class ScanExamples(Job):
    """Look for conflicts, suspected errors, duplicates and personal data among a model's training examples."""

    name: ClassVar[str] = "datasets.scan"
    title: ClassVar[str] = "Check examples for mistakes"
    queue: ClassVar[Queue] = Queue.SLOW
    time_limit_seconds: ClassVar[int] = 1800

    model_id: UUID

"""Jobs of the review queue."""

from typing import ClassVar
from uuid import UUID

from tuneloop.kit.jobs.job import Job, Queue


class TendQueue(Job):
    """Once a day: put a share of the week's answers into the queue, and retire what has measured long enough."""

    name: ClassVar[str] = "review.tend"
    title: ClassVar[str] = "Choose answers to label"

    model_id: UUID


class ProposeExamples(Job):
    """Ask production what it would answer to the questions that a document gives."""

    name: ClassVar[str] = "review.propose"
    title: ClassVar[str] = "Draft examples from a document"
    queue: ClassVar[Queue] = Queue.SLOW
    time_limit_seconds: ClassVar[int] = 1800

    document_id: UUID

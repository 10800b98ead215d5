"""Jobs of erasures."""

from typing import ClassVar
from uuid import UUID

from tuneloop.kit.jobs.job import Job, Queue


class WorkErasure(Job):
    """Count what a request would erase, or erase it once it is confirmed. Done again, it goes on where it stopped."""

    name: ClassVar[str] = "erasure.work"
    title: ClassVar[str] = "Erase a person's or client's texts"
    queue: ClassVar[Queue] = Queue.SLOW
    max_attempts: ClassVar[int] = 10
    time_limit_seconds: ClassVar[int] = 6 * 3600

    erasure_id: UUID


class SweepWorkspaces(Job):
    """Delete what ended or waiting jobs have left on the machine that trains."""

    name: ClassVar[str] = "erasure.sweep"
    title: ClassVar[str] = "Clear the training machine after an erasure"
    queue: ClassVar[Queue] = Queue.GPU

    job_ids: list[UUID]

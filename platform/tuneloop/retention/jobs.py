"""Jobs of retention."""

from typing import ClassVar

from tuneloop.kit.jobs import Job, Queue


class SweepAgency(Job):
    """Delete what an agency's settings say is old enough. Its subject is the agency whose job it is."""

    name: ClassVar[str] = "retention.sweep"
    title: ClassVar[str] = "Delete what is old enough"
    queue: ClassVar[Queue] = Queue.SLOW
    time_limit_seconds: ClassVar[int] = 1800

"""Jobs about bases."""

from datetime import timedelta
from typing import ClassVar

from tuneloop.kit.jobs.job import Job, Queue


class AddBase(Job):
    """Download the base of the catalogue with this name, make its weights for training, and register it."""

    name: ClassVar[str] = "registry.add_base"
    title: ClassVar[str] = "Add a base model"
    queue: ClassVar[Queue] = Queue.GPU
    patience: ClassVar[timedelta] = timedelta(hours=2)
    time_limit_seconds: ClassVar[int] = 4 * 3600

    base: str

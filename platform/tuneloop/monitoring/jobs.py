"""The monitor's job."""

from typing import ClassVar
from uuid import UUID

from tuneloop.kit.jobs.job import Job


class ReadMonitor(Job):
    """Take one reading of what a model's production version did since the last one."""

    name: ClassVar[str] = "monitoring.read"

    model_id: UUID

"""Jobs of reports."""

from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from tuneloop.kit.jobs.job import Job, Queue


class RenderReport(Job):
    """Make the PDF of a report's present snapshot."""

    name: ClassVar[str] = "report.render"
    title: ClassVar[str] = "Make a report's PDF"
    queue: ClassVar[Queue] = Queue.SLOW
    patience: ClassVar[timedelta] = timedelta(days=7)
    time_limit_seconds: ClassVar[int] = 300

    report_id: UUID


class DeliverReport(Job):
    """Make the PDF if it is not there yet, and queue the mail with it."""

    name: ClassVar[str] = "report.deliver"
    title: ClassVar[str] = "Send a report"
    max_attempts: ClassVar[int] = 5
    patience: ClassVar[timedelta] = timedelta(days=7)
    time_limit_seconds: ClassVar[int] = 300

    report_id: UUID

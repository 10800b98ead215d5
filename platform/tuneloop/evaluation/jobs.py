"""Jobs that put questions to external versions."""

from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from tuneloop.kit.jobs.job import Job, Queue


class EndRecording(Job):
    """A recording could not go on: say why, and keep what was answered."""

    name: ClassVar[str] = "recording.fail"
    title: ClassVar[str] = "Note that a recording has ended early"
    queue: ClassVar[Queue] = Queue.SLOW

    recording_id: UUID
    reason: str


class RecordAnswers(Job):
    """Put what a recording waits for to its service, for some minutes; `part` counts the jobs of one recording."""

    name: ClassVar[str] = "recording.ask"
    title: ClassVar[str] = "Record the answers of a hosted model"
    queue: ClassVar[Queue] = Queue.SLOW
    patience: ClassVar[timedelta] = timedelta(days=3)
    time_limit_seconds: ClassVar[int] = 3600

    recording_id: UUID
    part: int

    def if_dead(self, reason: str) -> Job:
        return EndRecording(recording_id=self.recording_id, reason=reason[:2000])

"""A job is a small frozen model: which actor, which queue, and the ids it works on."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from tuneloop.kit.errors import TuneloopError
from tuneloop.kit.figures import words


class Queue(StrEnum):
    """By how long a job may take, so that short ones never wait for long ones: seconds, minutes, up to half an hour."""

    QUICK = "quick"
    DEFAULT = "default"
    SLOW = "slow"
    GPU = "gpu"
    CHAT = "chat"


class Lane(NamedTuple):
    """How many jobs of a queue run at once: in one worker's process, and of one agency in all of them together."""

    threads: int
    per_agency: int


LANES: Mapping[Queue, Lane] = {
    Queue.QUICK: Lane(threads=4, per_agency=2),
    Queue.DEFAULT: Lane(threads=4, per_agency=2),
    Queue.SLOW: Lane(threads=2, per_agency=1),
    Queue.GPU: Lane(threads=1, per_agency=2),
    Queue.CHAT: Lane(threads=4, per_agency=2),
}


class UnreadableJob(TuneloopError):
    """A job's row says nothing to this process."""

    code = "unreadable_job"
    transient = False


class Job(BaseModel):
    """Base of every job. Subclasses name the actor and carry ids only; the actor must be idempotent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    title: ClassVar[str] = ""
    """What people read: what is done, in plain words."""
    queue: ClassVar[Queue] = Queue.DEFAULT
    max_attempts: ClassVar[int] = 3
    """How often a worker may crash over it, or be lost with it."""
    patience: ClassVar[timedelta] = timedelta(days=1)
    """How long it is tried again while something that it needs is away; `enqueue` may name another end."""
    time_limit_seconds: ClassVar[int] = 600

    _by_name: ClassVar[dict[str, type["Job"]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Job._by_name[cls.name] = cls

    def if_dead(self, reason: str) -> "Job | None":
        """Follow-up when this job has failed for good."""
        del reason
        return None

    @staticmethod
    def title_of(name: str) -> str:
        """The title of the job with this name; of one that this process has no class of, the name as words."""
        known = Job._by_name.get(name)
        return known.title if known is not None and known.title else words(name).capitalize()

    @staticmethod
    def read(name: str, args: dict[str, Any]) -> "Job":
        """A job from its row.

        Raises:
            UnreadableJob: this process has no such class, or another version of it.
        """
        if name not in Job._by_name:
            raise UnreadableJob(f"no job {name!r} is known here; run all processes from one version of Tuneloop")
        try:
            return Job._by_name[name].model_validate(args)
        except ValidationError as error:
            raise UnreadableJob(
                f"the arguments of job {name!r} are another version's ({error.errors()[0]['msg']}); "
                "run all processes from one version of Tuneloop"
            ) from error

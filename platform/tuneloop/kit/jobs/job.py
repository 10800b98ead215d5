"""A job is a small frozen model: which actor, which queue, and the ids it works on."""

from enum import StrEnum
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from tuneloop.kit.errors import TuneloopError


class Queue(StrEnum):
    DEFAULT = "default"
    GPU = "gpu"
    CHAT = "chat"


class UnreadableJob(TuneloopError):
    """A job's row says nothing to this process."""

    code = "unreadable_job"


class Job(BaseModel):
    """Base of every job. Subclasses name the actor and carry ids only; the actor must be idempotent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    queue: ClassVar[Queue] = Queue.DEFAULT
    max_attempts: ClassVar[int] = 3
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

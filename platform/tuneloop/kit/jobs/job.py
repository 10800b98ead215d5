"""A job is a small frozen model: which actor, which queue, and the ids it works on."""

from enum import StrEnum
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict


class Queue(StrEnum):
    DEFAULT = "default"
    GPU = "gpu"
    CHAT = "chat"


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

    @classmethod
    def named(cls, name: str) -> type["Job"]:
        return Job._by_name[name]

    @classmethod
    def parse(cls, args: dict[str, Any]) -> Self:
        return cls.model_validate(args)

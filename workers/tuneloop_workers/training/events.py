"""What a training child writes on stdout, one JSON object a line, and how the job side reads it."""

from enum import IntEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from tuneloop.registry.contract import Frozen
from tuneloop_workers.training.spec import Group


class ExitCode(IntEnum):
    """`STOPPED` (EX_TEMPFAIL) means: a checkpoint is written, start the same spec again to go on."""

    DONE = 0
    FAILED = 1
    STOPPED = 75


class Proof(Frozen):
    """Evidence that a retrain starts at its parent: losses are mean nats on the dev examples."""

    event: Literal["proof"] = "proof"
    tensors: int
    parent_loss: float
    start_loss: float
    tolerance: float


class Progress(Frozen):
    event: Literal["progress"] = "progress"
    step: int
    steps: int
    loss: float
    learning_rate: float
    examples_per_second: float
    seconds_left: float


class Checkpoint(Frozen):
    event: Literal["checkpoint"] = "checkpoint"
    step: int


class Metrics(Frozen):
    """`dev_loss` is in nats, of the weights that were kept."""

    steps: int
    dev_loss: dict[Group, float]
    proof: Proof | None
    train_seconds: float
    examples_per_second: float


class Done(Frozen):
    event: Literal["done"] = "done"
    adapter: Path
    metrics: Metrics


class Stopped(Frozen):
    event: Literal["stopped"] = "stopped"
    step: int


class Failed(Frozen):
    event: Literal["failed"] = "failed"
    code: str
    reason: str
    transient: bool = False


Event = Annotated[Proof | Progress | Checkpoint | Done | Stopped | Failed, Field(discriminator="event")]

_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


def parse_event(line: str | bytes) -> Event:
    """One line of a child's stdout; raises pydantic.ValidationError on anything else."""
    return _EVENT.validate_json(line)

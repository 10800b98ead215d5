"""What an operator may choose about a training run."""

from enum import StrEnum

from pydantic import Field

from tuneloop.registry.contract import Frozen


class Method(StrEnum):
    CONTINUE = "continue"
    FROM_BASE = "from_base"


class Recipe(Frozen):
    """Fields left at None take the trainer's defaults for the method.

    `blend` is the share of the newly trained adapter in the version; the rest is the adapter that training started
    from, and both are served with these scales. 1 serves the new adapter alone.
    """

    method: Method = Method.CONTINUE
    epochs: int | None = Field(default=None, ge=1, le=20)
    peak_lr: float | None = Field(default=None, gt=0, le=0.1)
    rank: int = Field(default=16, ge=1, le=256)
    alpha: int = Field(default=32, ge=1, le=1024)
    new_share: float | None = Field(default=0.4, gt=0, lt=1)
    blend: float = Field(default=1.0, gt=0, le=1)
    seed: int = Field(default=0, ge=0, lt=2**32)
    dev_share: float = Field(default=0.1, gt=0, lt=0.5)

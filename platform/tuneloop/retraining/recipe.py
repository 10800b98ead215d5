"""What an operator may choose about a training run."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from tuneloop.registry.contract import Frozen
from tuneloop.stats.attempts import ATTEMPTS

Blend = Annotated[float, Field(gt=0, le=1)]


FURTHER_COMPUTE = 2.0
"""All further attempts of a plan together may take this many times as long as its first."""


def blend_in_words(blend: float) -> str:
    return f"the blend with {100 * blend:.0f} % of the new adapter"


def further_in_words(attempts: int) -> str | None:
    """What an approval covers beyond the first candidate; None where it is nothing."""
    if not attempts:
        return None
    runs = "attempt runs automatically" if attempts == 1 else "attempts run automatically"
    return (
        f"If the gate turns the candidate down, up to {attempts} further {runs} where that can help, together at most "
        f"{FURTHER_COMPUTE:g} times as long as the first."
    )


class Method(StrEnum):
    CONTINUE = "continue"
    FROM_BASE = "from_base"


class Recipe(Frozen):
    """Fields left at None take the trainer's defaults for the method.

    Each of `methods` trains one adapter. Continuing trains the last third of the layers, or `all_layers`. `blends` are
    shares of the newly continued adapter in a version; the rest is the adapter that training started from, and both
    are served with these scales: 1 serves the new adapter alone. A blend costs no training. All are tried on the dev
    split, one goes to the gate.

    If the gate turns the chosen one down, the same approval covers `further_attempts` with others that may pass.

    `method` and `blend` are short for a list of one.
    """

    methods: tuple[Method, ...] = Field(default=(Method.CONTINUE,), min_length=1, max_length=2)
    blends: tuple[Blend, ...] = Field(default=(0.3, 0.5, 0.7, 1.0), min_length=1, max_length=8)
    all_layers: bool = False
    epochs: int | None = Field(default=None, ge=1, le=20)
    peak_lr: float | None = Field(default=None, gt=0, le=0.1)
    rank: int = Field(default=16, ge=1, le=256)
    alpha: int = Field(default=32, ge=1, le=1024)
    new_share: float | None = Field(default=0.4, gt=0, lt=1)
    seed: int = Field(default=0, ge=0, lt=2**32)
    dev_share: float = Field(default=0.1, gt=0, lt=0.5)
    further_attempts: int = Field(default=2, ge=0, le=ATTEMPTS - 1)

    @model_validator(mode="before")
    @classmethod
    def one_is_a_list_of_one(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        given = dict(data)
        for short, name in (("method", "methods"), ("blend", "blends")):
            if short in given:
                if name in given:
                    raise ValueError(f"give {short} or {name}, not both")
                given[name] = (given.pop(short),)
        return given

    @model_validator(mode="after")
    def nothing_is_tried_twice(self) -> Self:
        for name, values in (("methods", self.methods), ("blends", self.blends)):
            if len(set(values)) != len(values):
                raise ValueError(f"{name} must be distinct")
        return self

    def without_parent(self) -> "Recipe":
        """The recipe where there is nothing to continue from, or to blend with."""
        alone = {"methods": (Method.FROM_BASE,), "blends": (1.0,)}
        return self.model_copy(update=alone)

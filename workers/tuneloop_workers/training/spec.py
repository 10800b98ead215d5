"""What one training run is asked to do. A run is a pure function of its spec and the files the spec names."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from tuneloop.registry.contract import CONTEXT_TOKENS, Contract, Frozen, Sha256

Share = Annotated[float, Field(gt=0.0, lt=1.0)]


class Method(StrEnum):
    CONTINUE = "continue"
    FROM_BASE = "from_base"


class Group(StrEnum):
    """Replayed examples, or those that arrived since the parent was trained."""

    OLD = "old"
    NEW = "new"


class Precision(StrEnum):
    """Type of the frozen base's weights; the adapter and its optimiser are always fp32."""

    AUTO = "auto"
    BF16 = "bf16"
    FP32 = "fp32"


class Device(StrEnum):
    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class ParentPart(Frozen):
    """A PEFT adapter folder and the scale it is applied with; a blended version has several."""

    folder: Path
    scale: float = Field(default=1.0, gt=0.0, le=1.0)


def _epochs(data: dict[str, object]) -> int:
    return 3 if data.get("method") is Method.CONTINUE else 4


def _peak_lr(data: dict[str, object]) -> float:
    return 3.5e-4 if data.get("method") is Method.CONTINUE else 5e-4


def _all_layers(data: dict[str, object]) -> bool:
    return data.get("method") is not Method.CONTINUE


class TrainSpec(Frozen):
    """Defaults: all layers for four epochs from the base; the last third of them, re-warmed, from a parent.

    There is no dropout: it would differ between examples that share one prompt prefix.
    """

    base_weights: Path
    base_sha256: Sha256 = Field(description="Digest of the base weights, as the registry knows it.")
    contract: Contract
    examples: Path
    dev: Path = Field(description="Held-out examples, for the proof of the warm start and the loss at the end.")
    output: Path
    traffic: Path | None = Field(default=None, description="Messages with what the parent answered, right or wrong.")
    staying: tuple[str, ...] = Field(
        default=(), description="Labels between which the parent's preferences on the traffic are kept."
    )

    context_tokens: PositiveInt = Field(
        default=CONTEXT_TOKENS, description="Most tokens of an example, as it will be served."
    )

    method: Method = Method.FROM_BASE
    parent: tuple[ParentPart, ...] = ()
    proof_tolerance: PositiveFloat = Field(default=0.02, description="Nats of mean dev loss.")

    rank: int = Field(default=16, ge=1, le=256)
    alpha: PositiveInt = 32
    all_layers: bool = Field(default_factory=_all_layers, description="Or the last third; the rest stays as it is.")

    epochs: PositiveInt = Field(default_factory=_epochs)
    batch_size: PositiveInt = 8
    new_share: Share | None = Field(default=0.4, description="Share of new examples in a batch; None: as they come.")
    strictness: float = Field(default=1.5, ge=0.0, le=3.0, description="How much a category pays for filling batches.")
    peak_lr: PositiveFloat = Field(default_factory=_peak_lr)
    warmup_share: float = Field(default=0.06, ge=0.0, lt=1.0)
    max_grad_norm: PositiveFloat = 1.0
    seed: int = Field(default=0, ge=0, lt=2**32)

    average_share: Share = Field(default=0.5, description="The mean of the weights over this end of a run is kept.")
    checkpoint_every: PositiveInt = 50

    device: Device = Device.AUTO
    precision: Precision = Precision.AUTO
    threads: PositiveInt | None = None

    @model_validator(mode="after")
    def parent_fits_the_method(self) -> Self:
        if self.method is Method.CONTINUE and not self.parent:
            raise ValueError("continuing needs a parent adapter; give one or train from_base")
        if self.method is Method.FROM_BASE and self.parent:
            raise ValueError("training from_base ignores a parent; remove it or use continue")
        return self

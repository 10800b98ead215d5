"""Proof that a retrain starts where its parent stands, or a reason why it must not start."""

from collections.abc import Sequence
from typing import NamedTuple

from peft import PeftModel
from peft.tuners.lora import LoraLayer, LoraModel
from transformers import PreTrainedModel

from tuneloop.kit.errors import Conflict
from tuneloop_workers.training.adapter import Adapter, read_adapter
from tuneloop_workers.training.base import Base
from tuneloop_workers.training.blend import blend, fit
from tuneloop_workers.training.data import Encoded, Encoder
from tuneloop_workers.training.evaluate import mean_loss
from tuneloop_workers.training.events import Proof
from tuneloop_workers.training.fused import fuse
from tuneloop_workers.training.lora import attach, check, load
from tuneloop_workers.training.record import base_of
from tuneloop_workers.training.spec import ParentPart, TrainSpec
from tuneloop_workers.training.step import CompletionLoss


class Started(NamedTuple):
    model: PeftModel
    proof: Proof | None


def starting_adapter(spec: TrainSpec) -> Adapter:
    """The parent's parts as one adapter of the run's rank; refuses parts that were trained on another base."""
    for part in spec.parent:
        base_sha256 = base_of(part.folder)
        if base_sha256 not in (None, spec.base_sha256):
            raise Conflict(
                f"parent {part.folder.name} was trained on base {base_sha256[:12]}, "
                f"this run uses {spec.base_sha256[:12]}; train from_base",
                parent=str(part.folder),
            )
    return fit(blend([(read_adapter(part.folder), part.scale) for part in spec.parent]), spec.rank, spec.alpha)


def start_model(
    spec: TrainSpec, base: Base, encode: Encoder, dev: Sequence[Encoded], *, top_layers: int | None, prove: bool
) -> Started:
    """The model at step zero, its parent loaded; with `prove`, its dev loss compared with the parent's.

    Raises CorruptArtifact when a tensor has no match, Conflict when the losses differ by more than the run's tolerance.
    """
    start = starting_adapter(spec) if spec.parent else None
    if start:
        check(base.model, start)
    wanted = parent_loss(base.model, spec.parent, encode, dev) if start and prove else None
    model = attach(base.model, rank=spec.rank, alpha=spec.alpha, top_layers=top_layers)
    tensors = load(model, start) if start else 0
    proof = None
    if wanted is not None:
        # Compared before layers are fused: same arithmetic on both sides, so a single parent agrees to the last bit.
        found = mean_loss(CompletionLoss(model, encode.prefix, encode.labels), dev)
        proof = Proof(tensors=tensors, parent_loss=wanted, start_loss=found, tolerance=spec.proof_tolerance)
        _require_agreement(proof)
    fuse(model)
    return Started(model, proof)


def parent_loss(base: PreTrainedModel, parts: Sequence[ParentPart], encode: Encoder, dev: Sequence[Encoded]) -> float:
    """Dev loss of the parts applied exactly, one PEFT adapter each; leaves the base without adapters.

    PEFT's own loader reads the folders here, so a mistake in ours can't prove itself.
    """
    names = [f"part{number}" for number in range(len(parts))]
    model = PeftModel.from_pretrained(base, str(parts[0].folder), adapter_name=names[0])
    for name, part in zip(names[1:], parts[1:], strict=True):
        model.load_adapter(str(part.folder), adapter_name=name)
    layers = model.base_model
    if not isinstance(layers, LoraModel):
        raise TypeError(f"expected LoRA adapters, got {type(layers).__name__}")
    layers.set_adapter(names, inference_mode=True)
    for module in model.modules():
        if isinstance(module, LoraLayer):
            for name, part in zip(names, parts, strict=True):
                module.set_scale(name, part.scale)
    loss = mean_loss(CompletionLoss(model.eval(), encode.prefix, encode.labels), dev)
    layers.unload()
    return loss


def _require_agreement(proof: Proof) -> None:
    if not abs(proof.start_loss - proof.parent_loss) <= proof.tolerance:
        raise Conflict(
            f"the loaded adapter has dev loss {proof.start_loss:.4f}, its parent {proof.parent_loss:.4f}: more than "
            f"{proof.tolerance} apart; raise the rank, blend fewer parts or train from_base",
            parent_loss=proof.parent_loss,
            start_loss=proof.start_loss,
        )

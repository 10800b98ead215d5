"""Proof that a retrain starts where its parent stands (invariant 7), or a reason why it must not start."""

from collections.abc import Sequence
from typing import NamedTuple

from peft import PeftModel
from peft.tuners.lora import LoraLayer, LoraModel
from transformers import PreTrainedModel

from tuneloop.kit.errors import Conflict
from tuneloop_workers.training.adapter import Adapter, read_adapter
from tuneloop_workers.training.blend import blend, fit
from tuneloop_workers.training.data import Encoded
from tuneloop_workers.training.evaluate import mean_loss
from tuneloop_workers.training.events import Proof
from tuneloop_workers.training.fused import fuse
from tuneloop_workers.training.lora import attach, check, load
from tuneloop_workers.training.record import read_record
from tuneloop_workers.training.spec import ParentPart, TrainSpec
from tuneloop_workers.training.step import CompletionLoss


class Started(NamedTuple):
    model: PeftModel
    proof: Proof | None


def starting_adapter(spec: TrainSpec) -> Adapter:
    """The parent's parts as one adapter of the run's rank; refuses parts that were trained on another base."""
    for part in spec.parent:
        record = read_record(part.folder)
        if record is not None and record.spec.base_sha256 != spec.base_sha256:
            raise Conflict(
                f"parent {part.folder.name} was trained on base {record.spec.base_sha256[:12]}, "
                f"this run uses {spec.base_sha256[:12]}; train from_base",
                parent=str(part.folder),
            )
    return fit(blend([(read_adapter(part.folder), part.scale) for part in spec.parent]), spec.rank, spec.alpha)


def start_model(
    spec: TrainSpec, base: PreTrainedModel, prefix: Sequence[int], dev: Sequence[Encoded], *, prove: bool
) -> Started:
    """The model at step zero, its parent loaded; with `prove`, its dev loss compared with the parent's.

    Raises CorruptArtifact when a tensor has no match, Conflict when the losses differ by more than the run's tolerance.
    """
    start = starting_adapter(spec) if spec.parent else None
    if start:
        check(base, start)
    wanted = parent_loss(base, spec.parent, prefix, dev) if start and prove else None
    model = attach(base, rank=spec.rank, alpha=spec.alpha, top_layers=spec.top_layers)
    tensors = load(model, start) if start else 0
    proof = None
    if wanted is not None:
        # Compared before layers are fused: same arithmetic on both sides, so a single parent agrees to the last bit.
        found = mean_loss(CompletionLoss(model, prefix), dev)
        proof = Proof(tensors=tensors, parent_loss=wanted, start_loss=found, tolerance=spec.proof_tolerance)
        _require_agreement(proof)
    fuse(model)
    return Started(model, proof)


def parent_loss(
    base: PreTrainedModel, parts: Sequence[ParentPart], prefix: Sequence[int], dev: Sequence[Encoded]
) -> float:
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
    loss = mean_loss(CompletionLoss(model.eval(), prefix), dev)
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

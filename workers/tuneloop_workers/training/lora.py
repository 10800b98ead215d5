"""The trainable adapter on a frozen base: attached, filled from factors, read back."""

import re

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from transformers import PreTrainedModel

from tuneloop.kit.errors import CorruptArtifact
from tuneloop_workers.training.adapter import Adapter, Factors

_FACTOR = re.compile(r"^(?P<module>.+)\.lora_(?P<side>[AB])\.default\.weight$")
_LAYER = re.compile(r"\.layers\.(\d+)\.")


def attach(base: PreTrainedModel, *, rank: int, alpha: int, top_layers: int | None) -> PeftModel:
    """A new adapter of zero effect on every linear layer, attention and MLP alike; its parameters are fp32.

    With `top_layers`, the factors below stay as they are, so the backward pass ends above them.
    """
    head = base.get_output_embeddings()
    linear = {n.rpartition(".")[2] for n, m in base.named_modules() if isinstance(m, nn.Linear) and m is not head}
    config = LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=sorted(linear), task_type="CAUSAL_LM"
    )
    model = get_peft_model(base, config)
    if not isinstance(model, PeftModel):
        raise TypeError(f"expected a PeftModel, got {type(model).__name__}")
    if top_layers is not None:
        lowest = int(base.config.get_text_config().num_hidden_layers) - top_layers
        for name, parameter in model.named_parameters():
            layer = _LAYER.search(name)
            if layer and int(layer[1]) < lowest:
                parameter.requires_grad_(False)
    return model.eval()


def trainable(model: PeftModel) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in sorted(model.named_parameters()) if parameter.requires_grad}


def load(model: PeftModel, adapter: Adapter) -> int:
    """Copy every factor into the model; the number of tensors copied. Any name or shape left over is an error."""
    wanted = _factors(model)
    given = {(name, side): getattr(pair, side) for name, pair in adapter.factors.items() for side in ("a", "b")}
    if strays := sorted({module for module, _ in wanted.keys() ^ given.keys()}):
        raise CorruptArtifact(
            f"{len(strays)} layers are in only one of parent and model, first {strays[0]}; "
            "the parent is of another base or is incomplete: train from_base",
            layers=len(strays),
        )
    with torch.no_grad():
        for key, tensor in given.items():
            if wanted[key].shape != tensor.shape:
                raise CorruptArtifact(f"{key[0]}: the parent's factor is {tuple(tensor.shape)}, the base's layer needs "
                                      f"{tuple(wanted[key].shape)}; the parent is of another base", layer=key[0])
            wanted[key].copy_(tensor)
    return len(given)


def factors(model: PeftModel, rank: int, alpha: int) -> Adapter:
    """The adapter as it is now, on the CPU."""
    tensors = {key: tensor.detach().cpu().clone() for key, tensor in _factors(model).items()}
    modules = sorted({module for module, _ in tensors})
    return Adapter({name: Factors(tensors[name, "a"], tensors[name, "b"]) for name in modules}, rank, alpha)


def _factors(model: PeftModel) -> dict[tuple[str, str], Tensor]:
    found = {}
    for name, parameter in model.named_parameters():
        if match := _FACTOR.match(name):
            found[match["module"], match["side"].lower()] = parameter
    return found

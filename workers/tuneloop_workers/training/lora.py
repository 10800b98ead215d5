"""The trainable adapter on a frozen base: attached, filled from factors, read back."""

import re
from math import ceil

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from transformers import PreTrainedModel

from tuneloop.kit.errors import CorruptArtifact
from tuneloop_workers.training.adapter import Adapter, Factors
from tuneloop_workers.training.base import output_head

_FACTOR = re.compile(r"^(?P<module>.+)\.lora_(?P<side>[AB])\.default\.weight$")
_LAYER = re.compile(r"\.layers\.(\d+)\.")


def attach(base: PreTrainedModel, *, rank: int, alpha: int, top_layers: int | None) -> PeftModel:
    """A new adapter of zero effect on every linear layer, attention and MLP alike; its parameters are fp32.

    With `top_layers`, the factors below stay as they are, so the backward pass ends above them.
    """
    names = sorted({name.rpartition(".")[2] for name in _linear_layers(base)})
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=names, task_type="CAUSAL_LM")
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


def last_third(base: PreTrainedModel) -> int:
    """How many of the last layers a refresh trains."""
    return ceil(int(base.config.get_text_config().num_hidden_layers) / 3)


def check(base: PreTrainedModel, adapter: Adapter) -> None:
    """Raises CorruptArtifact unless the adapter has factors of the right shape for every linear layer and no other."""
    layers = {f"base_model.model.{name}": layer for name, layer in _linear_layers(base).items()}
    if strays := sorted(layers.keys() ^ adapter.factors.keys()):
        raise CorruptArtifact(
            f"{len(strays)} layers are in only one of parent and base, first {strays[0]}; "
            "the parent is incomplete or of another base: train from_base",
            layers=len(strays),
        )
    for name, (a, b) in adapter.factors.items():
        wanted, found = layers[name].weight.shape, (b.shape[0], a.shape[1])
        if wanted != found:
            raise CorruptArtifact(
                f"{name} is {tuple(wanted)} in the base and {found} in the parent; train from_base", layer=name
            )


def _linear_layers(base: PreTrainedModel) -> dict[str, nn.Linear]:
    head = output_head(base)
    return {n: m for n, m in base.named_modules() if isinstance(m, nn.Linear) and m is not head}


def trainable(model: PeftModel) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in sorted(model.named_parameters()) if parameter.requires_grad}


@torch.no_grad()
def load(model: PeftModel, adapter: Adapter) -> int:
    """Copy every factor into the model; the number of tensors copied. The adapter has passed `check`."""
    targets = _factors(model)
    for (module, side), target in targets.items():
        target.copy_(getattr(adapter.factors[module], side))
    return len(targets)


def factors(model: PeftModel, rank: int, alpha: int) -> Adapter:
    """The adapter as it is now, on the CPU."""
    tensors = {key: tensor.detach().cpu().clone() for key, tensor in _factors(model).items()}
    modules = sorted({module for module, _ in tensors})
    return Adapter({name: Factors(tensors[name, "a"], tensors[name, "b"]) for name in modules}, rank, alpha)


def _factors(model: PeftModel) -> dict[tuple[str, str], Tensor]:
    found: dict[tuple[str, str], Tensor] = {}
    for name, parameter in model.named_parameters():
        if match := _FACTOR.match(name):
            found[match["module"], match["side"].lower()] = parameter
    return found

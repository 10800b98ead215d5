"""Names of a LoRA's tensors: the same layer is written in many ways, depending on who saved it."""

import re
from typing import NamedTuple

from tuneloop.kit.errors import CorruptArtifact

_WRAPPERS = frozenset({"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "module", "base_model"})
"""Parts that torch.compile, FSDP, checkpointing, DDP and PEFT put into names."""
_ABOVE_THE_LAYERS = frozenset({"model", "language_model"})
_FACTOR = re.compile(
    r"(?:(?P<above>.+)\.)?layers\.(?P<layer>\d{1,4})\.(?P<part>.+)\.lora_(?P<side>[AB])(\.\w+)?\.weight"
)

_OTHERWISE = (
    ("lora_magnitude", "DoRA scales whole columns beside the LoRA; train again with use_dora=False"),
    ("lora_embedding", "token embeddings were trained; leave embed_tokens and lm_head out of target_modules"),
    ("embed_tokens", "token embeddings were trained or resized; train without new tokens, and without embed_tokens"),
    ("lm_head", "the output layer was trained; leave lm_head out of target_modules and modules_to_save"),
    ("vision", "the part that reads images was trained; train the language layers alone"),
    ("modules_to_save", "whole layers were trained beside the LoRA; train again without modules_to_save"),
    (".bias", "biases were trained; train again with bias='none'"),
)


class Factor(NamedTuple):
    """`module` as the base names it, `key` as PEFT matched its patterns against; `side` is A or B."""

    module: str
    key: str
    side: str


def factor_of(name: str) -> Factor:
    """Raises CorruptArtifact, saying what to do, for a tensor that is no factor of a LoRA on a layer."""
    parts = [part for part in name.split(".") if part not in _WRAPPERS]
    plain = ".".join(parts)
    for mark, remedy in _OTHERWISE:
        if mark in plain:
            raise CorruptArtifact(f"{name[:200]} can't be taken over: {remedy}", tensor=name[:200])
    match = _FACTOR.fullmatch(plain)
    if match is None or not set((match["above"] or "").split(".")) <= _ABOVE_THE_LAYERS | {""}:
        raise CorruptArtifact(
            f"{name[:200]} is no factor of a LoRA; save the adapter alone, with PEFT's save_pretrained",
            tensor=name[:200],
        )
    # PEFT's own model stands below one `model` of the wrapper that `base_model` names.
    key = plain.removeprefix("model.").partition(".lora_")[0]
    return Factor(f"model.layers.{int(match['layer'])}.{match['part']}", key, match["side"])

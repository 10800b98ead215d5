"""The model families we convert, and how their tensors differ between Hugging Face and GGUF.

Names follow the `gguf` library's own tables. Three families store values differently: Llama interleaves the rows of
the query and key projections (rotary pairs side by side), Gemma 2 and 3 store norm weights plus one. Phi 3 and 4 keep
query, key and value in one layer, and gate and up projection in another, on both sides.
"""

from enum import StrEnum
from typing import NamedTuple

import gguf
import numpy as np
from numpy.typing import NDArray

from tuneloop.kit.errors import InvalidInput


class Architecture(StrEnum):
    """Values are `general.architecture` of a GGUF."""

    GEMMA2 = "gemma2"
    GEMMA3 = "gemma3"
    LLAMA = "llama"
    PHI3 = "phi3"
    QWEN2 = "qwen2"
    QWEN3 = "qwen3"


class Heads(NamedTuple):
    query: int
    key_value: int


_MODEL_TYPES = {
    Architecture.GEMMA2: ("gemma2",),
    Architecture.GEMMA3: ("gemma3_text",),
    Architecture.LLAMA: ("llama", "mistral"),
    Architecture.PHI3: ("phi3",),
    Architecture.QWEN2: ("qwen2",),
    Architecture.QWEN3: ("qwen3",),
}
"""`model_type` of Hugging Face's config; the first is what a GGUF is baked as. Mistral is Llama but for its name."""

LINEAR_MODULES = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)
_FUSED_MODULES = ("self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj", "mlp.down_proj")
_GEMMAS = (Architecture.GEMMA2, Architecture.GEMMA3)
_HEAD_NORMS = ("self_attn.q_norm", "self_attn.k_norm")
_AROUND_BOTH_PARTS = (
    "input_layernorm",
    "post_attention_layernorm",
    "pre_feedforward_layernorm",
    "post_feedforward_layernorm",
)
_LAYER_NORMS = {
    Architecture.GEMMA2: _AROUND_BOTH_PARTS,
    Architecture.GEMMA3: (*_HEAD_NORMS, *_AROUND_BOTH_PARTS),
    Architecture.LLAMA: ("input_layernorm", "post_attention_layernorm"),
    Architecture.PHI3: ("input_layernorm", "post_attention_layernorm"),
    Architecture.QWEN2: ("input_layernorm", "post_attention_layernorm"),
    Architecture.QWEN3: (*_HEAD_NORMS, "input_layernorm", "post_attention_layernorm"),
}


def parse_architecture(name: str) -> Architecture:
    """Architecture from a GGUF's `general.architecture` or a Hugging Face `model_type`."""
    for architecture, types in _MODEL_TYPES.items():
        if name in (architecture.value, *types):
            return architecture
    known = ", ".join(Architecture)
    raise InvalidInput(f"architecture {name!r} is not supported; use a base of one of: {known}", architecture=name)


def model_types(architecture: Architecture) -> tuple[str, ...]:
    """What the Hugging Face config may say that it is; the first is what we bake."""
    return _MODEL_TYPES[architecture]


def linear_modules(architecture: Architecture) -> tuple[str, ...]:
    """Linear layers of a decoder layer, which an adapter can be on."""
    return _FUSED_MODULES if architecture is Architecture.PHI3 else LINEAR_MODULES


def gguf_modules(architecture: Architecture, layers: int) -> dict[str, str]:
    """Hugging Face module name → GGUF tensor name, both without `.weight` or `.bias`, in file order."""
    names = gguf.get_tensor_name_map(_gguf_architecture(architecture), layers)
    modules = ["model.embed_tokens", "model.norm", "lm_head"]
    for layer in range(layers):
        modules += [
            f"model.layers.{layer}.{part}" for part in (*_LAYER_NORMS[architecture], *linear_modules(architecture))
        ]
    return {module: found for module in modules if (found := names.get_name(module)) is not None}


def values_to_gguf(
    architecture: Architecture, module: str, values: NDArray[np.float32], heads: Heads
) -> NDArray[np.float32]:
    """Weights, bias or LoRA-B of a Hugging Face module in the order and offset that llama.cpp expects."""
    if architecture is Architecture.LLAMA and (count := _rotary_heads(module, heads)):
        paired = values.reshape(count, 2, values.shape[0] // count // 2, *values.shape[1:])
        return paired.swapaxes(1, 2).reshape(values.shape)
    if architecture in _GEMMAS and module.endswith("norm"):
        return values + np.float32(1)
    return values


def values_from_gguf(
    architecture: Architecture, module: str, values: NDArray[np.float32], heads: Heads
) -> NDArray[np.float32]:
    """Inverse of `values_to_gguf`."""
    if architecture is Architecture.LLAMA and (count := _rotary_heads(module, heads)):
        paired = values.reshape(count, values.shape[0] // count // 2, 2, *values.shape[1:])
        return paired.swapaxes(1, 2).reshape(values.shape)
    if architecture in _GEMMAS and module.endswith("norm"):
        return values - np.float32(1)
    return values


def _rotary_heads(module: str, heads: Heads) -> int:
    if module.endswith("q_proj"):
        return heads.query
    return heads.key_value if module.endswith("k_proj") else 0


def _gguf_architecture(architecture: Architecture) -> gguf.MODEL_ARCH:
    return next(arch for arch, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture.value)

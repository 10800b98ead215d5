"""A LoRA adapter in memory, and its folder form as PEFT writes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"


class Factors(NamedTuple):
    """`a` is (rank, inputs), `b` is (outputs, rank); the update of the weights is alpha / rank * b @ a."""

    a: NDArray[np.float32]
    b: NDArray[np.float32]


@dataclass(frozen=True)
class AdapterTensors:
    """Factors by Hugging Face module name, like `model.layers.0.self_attn.q_proj`."""

    alpha: float
    rank: int
    factors: Mapping[str, Factors]


def tensor_name(module: str, part: str) -> str:
    """Name in the file of factor "A" or "B"."""
    return f"base_model.model.{module}.lora_{part}.weight"

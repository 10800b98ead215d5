"""A LoRA adapter in memory, and its folder form as PEFT writes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray
from safetensors.numpy import save_file

from tuneloop.registry.adapters.config import CONFIG_FILE
from tuneloop.registry.adapters.folder import WEIGHTS_FILE
from tuneloop_workers.files import new_folder


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


def write_folder(adapter: AdapterTensors, folder: Path) -> None:
    """Writes a folder with the two files of a PEFT adapter; whole or not at all."""
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": adapter.rank,
        "lora_alpha": adapter.alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "inference_mode": True,
        "target_modules": sorted({module.rpartition(".")[2] for module in adapter.factors}),
    }
    tensors = {
        tensor_name(module, part): np.ascontiguousarray(values)
        for module, factors in adapter.factors.items()
        for part, values in (("A", factors.a), ("B", factors.b))
    }
    with new_folder(folder) as draft:
        (draft / CONFIG_FILE).write_bytes(orjson.dumps(config, option=orjson.OPT_INDENT_2))
        save_file(tensors, draft / WEIGHTS_FILE, metadata={"format": "pt"})

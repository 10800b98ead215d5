"""The two files of the smallest adapter that is a well-formed one; it fits no base."""

import json
import struct

from tuneloop.registry.adapters.config import CONFIG_FILE
from tuneloop.registry.adapters.folder import WEIGHTS_FILE

LAYER = "base_model.model.model.layers.0.self_attn.q_proj"
CONFIG = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "base_model_name_or_path": "unsloth/tiny"}


def packed(header: bytes, data: bytes = b"") -> bytes:
    """A safetensors file with this header, honest or not."""
    return struct.pack("<Q", len(header)) + header + data


def small_weights() -> bytes:
    shapes = {f"{LAYER}.lora_A.weight": [2, 4], f"{LAYER}.lora_B.weight": [4, 2]}
    header = {
        name: {"dtype": "F32", "shape": shape, "data_offsets": [32 * place, 32 * place + 32]}
        for place, (name, shape) in enumerate(shapes.items())
    }
    return packed(json.dumps(header).encode(), bytes(64))


def small_adapter() -> dict[str, bytes]:
    return {CONFIG_FILE: json.dumps(CONFIG).encode(), WEIGHTS_FILE: small_weights()}

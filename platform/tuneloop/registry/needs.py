"""What a base needs of a machine, estimated from its file and its number of parameters before it is downloaded."""

from typing import NamedTuple

_BITS = {"F32": 32, "BF16": 16, "F16": 16, "Q8_0": 8.5, "Q6_K": 6.6, "Q5_K_M": 5.7, "Q5_0": 5.5, "Q4_0": 4.6}
_OTHER_BITS = 4.9
_ENGINE_BYTES = 1 << 30
"""Serving beside the weights: contexts of the requests under way, and the engine itself."""
_TRAINER_BYTES = 2 << 30


class Needs(NamedTuple):
    """In bytes. `disk` is for good; `training` in fp32 on a processor, half of the weights' part on a GPU in bf16."""

    disk: int
    serving: int
    training: int


def needs(gguf_bytes: int, parameters: int) -> Needs:
    """The GGUF that serves, and the same weights in F32 for training and for the proof of each version."""
    return Needs(gguf_bytes + 4 * parameters, gguf_bytes + _ENGINE_BYTES, 4 * parameters + _TRAINER_BYTES)


def parameters_of(gguf_bytes: int, quantisation: str | None) -> int:
    """From the size of a file, where nobody says."""
    return int(8 * gguf_bytes / _BITS.get(quantisation or "", _OTHER_BITS))


def bytes_of(parameters: int, quantisation: str) -> int:
    """Of a file that is not there yet."""
    return int(parameters * _BITS.get(quantisation, _OTHER_BITS) / 8)

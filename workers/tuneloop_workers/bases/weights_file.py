"""Writes F32 tensors as safetensors, part by part, so that a model is never in memory as a whole.

The bytes are those of the `safetensors` library. Format: https://github.com/huggingface/safetensors#format
"""

from collections.abc import Callable, Iterator, Mapping
from math import prod
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray

Parts = Callable[[str], Iterator[NDArray[np.float32]]]
"""The rows of the named tensor in order, in as many arrays as suits."""

_ALIGNMENT = 8


def write_weights(path: Path, shapes: Mapping[str, tuple[int, ...]], parts: Parts) -> None:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in sorted(shapes):
        begin, end = end, end + 4 * prod(shapes[name])
        header[name] = {"dtype": "F32", "shape": shapes[name], "data_offsets": (begin, end)}
    text = orjson.dumps(header)
    text += b" " * (-len(text) % _ALIGNMENT)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in sorted(shapes):
            for part in parts(name):
                file.write(np.ascontiguousarray(part, dtype="<f4").data)

"""Reads a safetensors file that came from outside, trusting nothing in it.

Format: 8 bytes little-endian header length, JSON header, data. https://github.com/huggingface/safetensors#format
"""

from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from tuneloop.kit.errors import CorruptArtifact

MAX_FILE_BYTES = 2 * 1024**3
MAX_HEADER_BYTES = 4 * 1024**2
_LENGTH_BYTES = 8
_WIDTHS = {"F32": 4, "F16": 2, "BF16": 2}

_Count = Annotated[int, Field(ge=0, le=2**40)]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    dtype: Literal["F32", "F16", "BF16"]
    shape: Annotated[list[_Count], Field(max_length=4)]
    data_offsets: Annotated[list[_Count], Field(min_length=2, max_length=2)]

    @property
    def start(self) -> int:
        return self.data_offsets[0]

    @property
    def end(self) -> int:
        return self.data_offsets[1]


_Header = TypeAdapter(dict[str, _Entry])


def read_safetensors(path: Path) -> dict[str, NDArray[np.float32]]:
    """All tensors as F32, finite; raises CorruptArtifact for anything but a well-formed file of such."""
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise _refused(path, f"it has {size} bytes, over the limit of {MAX_FILE_BYTES}")
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if length > min(MAX_HEADER_BYTES, size - _LENGTH_BYTES):
            raise _refused(path, f"it announces a header of {length} bytes, so it isn't a safetensors file")
        entries = _parse_header(path, file.read(length))
        data = file.read()
    _check_layout(path, entries, len(data))
    tensors = {name: _decode(entry, data) for name, entry in entries.items()}
    for name, values in tensors.items():
        if not np.isfinite(values).all():
            raise _refused(path, f"{name} holds NaN or infinite values")
    return tensors


def _parse_header(path: Path, text: bytes) -> dict[str, _Entry]:
    try:
        header = orjson.loads(text)
        if isinstance(header, dict):
            header.pop("__metadata__", None)
        return _Header.validate_python(header)
    except (orjson.JSONDecodeError, ValidationError) as error:
        raise _refused(path, "its header is not that of F32, F16 or BF16 tensors") from error


def _check_layout(path: Path, entries: dict[str, _Entry], data_bytes: int) -> None:
    for name, entry in entries.items():
        if entry.end - entry.start != prod(entry.shape) * _WIDTHS[entry.dtype]:
            raise _refused(path, f"the bytes of {name} don't match its shape")
    spans = sorted((entry.start, entry.end) for entry in entries.values())
    edges = [(0, 0), *spans, (data_bytes, data_bytes)]
    if any(before[1] != after[0] for before, after in pairwise(edges)):
        raise _refused(path, "its tensors overlap, leave gaps or run past the end of the file")


def _decode(entry: _Entry, data: bytes) -> NDArray[np.float32]:
    stored = data[entry.start : entry.end]
    if entry.dtype == "BF16":
        values = (np.frombuffer(stored, "<u2").astype(np.uint32) << 16).view(np.float32)
    else:
        values = np.frombuffer(stored, "<f4" if entry.dtype == "F32" else "<f2").astype(np.float32)
    return values.reshape(entry.shape)


def _refused(path: Path, reason: str) -> CorruptArtifact:
    return CorruptArtifact(f"{path.name} is refused: {reason}; save the adapter again", path=str(path))

"""The header of a safetensors file that came from outside, trusting nothing in it.

Format: 8 bytes little-endian header length, JSON header, data. https://github.com/huggingface/safetensors#format
"""

from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from tuneloop.kit.errors import CorruptArtifact

MAX_FILE_BYTES = 2 * 1024**3
MAX_HEADER_BYTES = 4 * 1024**2
_LENGTH_BYTES = 8
WIDTHS = {"F32": 4, "F16": 2, "BF16": 2}

_Count = Annotated[int, Field(ge=0, le=2**40)]


class StoredTensor(BaseModel):
    """`data_offsets` count from the end of the header."""

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


class Header(NamedTuple):
    """`data` is where the tensors begin in the file, in bytes."""

    tensors: dict[str, StoredTensor]
    data: int


_Header = TypeAdapter(dict[str, StoredTensor])


def read_header(path: Path) -> Header:
    """Raises CorruptArtifact for anything but a well-formed file of F32, F16 and BF16 tensors."""
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise refused(path, f"it has {size} bytes, over the limit of {MAX_FILE_BYTES}")
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if length > min(MAX_HEADER_BYTES, size - _LENGTH_BYTES):
            raise refused(path, f"it announces a header of {length} bytes, so it isn't a safetensors file")
        tensors = _parse(path, file.read(length))
    header = Header(tensors, _LENGTH_BYTES + length)
    _check_layout(path, tensors, size - header.data)
    return header


def refused(path: Path, reason: str) -> CorruptArtifact:
    return CorruptArtifact(f"{path.name} is refused: {reason}; save the adapter again", path=path.name)


def _parse(path: Path, text: bytes) -> dict[str, StoredTensor]:
    try:
        header = orjson.loads(text)
        if isinstance(header, dict):
            header.pop("__metadata__", None)
        return _Header.validate_python(header)
    except (orjson.JSONDecodeError, ValidationError) as error:
        raise refused(path, "its header is not that of F32, F16 or BF16 tensors") from error


def _check_layout(path: Path, tensors: dict[str, StoredTensor], data_bytes: int) -> None:
    for name, tensor in tensors.items():
        if tensor.end - tensor.start != prod(tensor.shape) * WIDTHS[tensor.dtype]:
            raise refused(path, f"the bytes of {name[:200]} don't match its shape")
    spans = sorted((tensor.start, tensor.end) for tensor in tensors.values())
    edges = [(0, 0), *spans, (data_bytes, data_bytes)]
    if any(before[1] != after[0] for before, after in pairwise(edges)):
        raise refused(path, "its tensors overlap, leave gaps or run past the end of the file")

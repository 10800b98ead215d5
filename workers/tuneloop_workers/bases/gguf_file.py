"""Reads the header of a GGUF file: metadata, tensor table, and where the data lies.

The `gguf` library's reader takes ten seconds on a vocabulary of 262 144 tokens because it keeps every string as
arrays; here a header takes a fraction of one, and its bytes stay at hand so that a copy can keep them unchanged.
Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import mmap
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, dequantize
from numpy.typing import NDArray

from tuneloop.kit.errors import CorruptArtifact

T = TypeVar("T")
MetadataValue = bool | int | float | str | list[str] | NDArray[np.generic]

DEFAULT_ALIGNMENT = 32
_STRING, _ARRAY = 8, 9
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_MAX_TENSORS = 100_000
_MAX_METADATA = 10_000
_MAX_DIMENSIONS = 4


class GgufTensor(NamedTuple):
    """`shape` is row-major (outermost first); `offset` counts from the start of the file, in bytes."""

    name: str
    shape: tuple[int, ...]
    kind: GGMLQuantizationType
    offset: int
    size: int


@dataclass(frozen=True)
class GgufFile:
    """Header of a GGUF; tensors are read from disk on demand."""

    path: Path
    metadata: Mapping[str, MetadataValue]
    metadata_offsets: Mapping[str, int]
    """Position of each value, counted from the start of `metadata_bytes`."""
    metadata_bytes: bytes
    """All key-value pairs as they stand in the file."""
    tensors: Mapping[str, GgufTensor]

    @classmethod
    def open(cls, path: Path) -> Self:
        """Raises CorruptArtifact when the file is not a complete GGUF of version 2 or 3."""
        with path.open("rb") as file:
            try:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError as error:
                raise CorruptArtifact(f"{path.name} is empty; copy it again", path=str(path)) from error
        with data:
            try:
                return cls(path, *_read_header(_Cursor(data)))
            except (struct.error, UnicodeDecodeError, ValueError, IndexError) as error:
                raise CorruptArtifact(
                    f"{path.name} is not a readable GGUF ({error}); copy it again from its source", path=str(path)
                ) from error

    def text(self, key: str) -> str:
        return self._typed(key, str)

    def integer(self, key: str) -> int:
        return self._typed(key, int)

    def real(self, key: str) -> float:
        return float(self._typed(key, float))

    def values(self, name: str) -> NDArray[np.float32]:
        """One tensor, dequantised."""
        tensor = self.tensors[name]
        return np.asarray(dequantize(self.raw(name), tensor.kind), dtype=np.float32).reshape(tensor.shape)

    def rows(self, name: str, count: int) -> Iterator[NDArray[np.float32]]:
        """One tensor, dequantised `count` rows at a time, as they fit the processor's cache."""
        tensor = self.tensors[name]
        row_bytes = tensor.size // tensor.shape[0]
        for at in range(0, tensor.shape[0], count):
            shape = (min(count, tensor.shape[0] - at), *tensor.shape[1:])
            part = tensor._replace(shape=shape, offset=tensor.offset + at * row_bytes, size=shape[0] * row_bytes)
            yield np.asarray(dequantize(self._stored(part), part.kind), dtype=np.float32).reshape(shape)

    def raw(self, name: str) -> NDArray[np.generic]:
        """One tensor as stored: floats, or bytes with one row per row of the tensor."""
        return self._stored(self.tensors[name])

    def _stored(self, tensor: GgufTensor) -> NDArray[np.generic]:
        plain = {GGMLQuantizationType.F32: np.float32, GGMLQuantizationType.F16: np.float16}.get(tensor.kind)
        stored = np.fromfile(self.path, dtype=np.uint8, count=tensor.size, offset=tensor.offset)
        if plain is not None:
            return stored.view(plain).reshape(tensor.shape)
        return stored.reshape(*tensor.shape[:-1], -1)

    def _typed(self, key: str, kind: type[T]) -> T:
        value = self.metadata.get(key)
        if not isinstance(value, kind):
            raise CorruptArtifact(f"{self.path.name} has no usable {key}; it can't serve as a base", key=key)
        return value


class _Cursor:
    """Reads little-endian values one after the other and never past the end."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.position = 0

    def scalar(self, code: str) -> int | float | bool:
        (value,) = struct.unpack_from(f"<{code}", self.data, self.position)
        self.position += struct.calcsize(f"<{code}")
        return value  # type: ignore[no-any-return]

    def count(self, code: str, limit: int) -> int:
        value = int(self.scalar(code))
        if value > limit:
            raise ValueError(f"a count of {value} is over the limit of {limit}")
        return value

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.position:
            raise ValueError("it ends too early")
        self.position += size
        return self.data[self.position - size : self.position]

    def string(self) -> str:
        return self.take(int(self.scalar("Q"))).decode()

    def value(self, kind: int) -> MetadataValue:
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            return self._array()
        if kind not in _SCALARS:
            raise ValueError(f"unknown metadata type {kind}")
        return self.scalar(_SCALARS[kind])

    def _array(self) -> list[str] | NDArray[np.generic]:
        kind = int(self.scalar("I"))
        count = self.count("Q", len(self.data))
        if kind == _STRING:
            return [self.string() for _ in range(count)]
        if kind not in _SCALARS:
            raise ValueError(f"unsupported array of metadata type {kind}")
        dtype = np.dtype(_SCALARS[kind]).newbyteorder("<")
        return np.frombuffer(self.take(count * dtype.itemsize), dtype)


def _read_header(
    cursor: _Cursor,
) -> tuple[dict[str, MetadataValue], dict[str, int], bytes, dict[str, GgufTensor]]:
    if cursor.take(4) != b"GGUF":
        raise ValueError("the magic bytes are missing")
    if (version := cursor.scalar("I")) not in (2, 3):
        raise ValueError(f"version {version} is not supported")
    tensor_count = cursor.count("Q", _MAX_TENSORS)
    metadata_count = cursor.count("Q", _MAX_METADATA)
    start = cursor.position
    metadata: dict[str, MetadataValue] = {}
    offsets: dict[str, int] = {}
    for _ in range(metadata_count):
        key = cursor.string()
        kind = int(cursor.scalar("I"))
        offsets[key] = cursor.position - start
        metadata[key] = cursor.value(kind)
    metadata_bytes = cursor.data[start : cursor.position]
    return metadata, offsets, metadata_bytes, _read_tensors(cursor, tensor_count, metadata)


def _read_tensors(cursor: _Cursor, count: int, metadata: Mapping[str, MetadataValue]) -> dict[str, GgufTensor]:
    table = [_read_entry(cursor) for _ in range(count)]
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment < 1:
        raise ValueError("the alignment is not a positive number")
    start = -(-cursor.position // alignment) * alignment
    tensors = {entry.name: entry._replace(offset=start + entry.offset) for entry in table}
    if len(tensors) != count:
        raise ValueError("two tensors have the same name")
    if any(tensor.offset + tensor.size > len(cursor.data) for tensor in tensors.values()):
        raise ValueError("tensor data is missing at its end")
    return tensors


def _read_entry(cursor: _Cursor) -> GgufTensor:
    name = cursor.string()
    dimensions = cursor.count("I", _MAX_DIMENSIONS)
    shape = tuple(int(cursor.scalar("Q")) for _ in range(dimensions))[::-1]
    kind = GGMLQuantizationType(int(cursor.scalar("I")))
    block, block_bytes = GGML_QUANT_SIZES[kind]
    if not shape or shape[-1] % block:
        raise ValueError(f"tensor {name} does not fill its blocks")
    return GgufTensor(name, shape, kind, int(cursor.scalar("Q")), prod(shape) // block * block_bytes)

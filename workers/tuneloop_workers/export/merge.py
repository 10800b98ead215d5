"""Adds adapters to the tensors of the base GGUF, at F16, and copies everything else as it stands.

Metadata and tokenizer are copied byte for byte (except the file type), so the merged model reads text exactly like
its base. Nothing is ever merged into a quantised tensor: dequantise, add in F32, store F16, quantise afterwards.
"""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from gguf import GGMLQuantizationType, LlamaFileType
from numpy.typing import NDArray

from tuneloop.kit.errors import CorruptArtifact
from tuneloop_workers.bases.architectures import gguf_modules, values_to_gguf
from tuneloop_workers.bases.gguf_facts import architecture_of, heads_of, layers_of
from tuneloop_workers.bases.gguf_file import DEFAULT_ALIGNMENT, GgufFile
from tuneloop_workers.export.adapter import AdapterTensors
from tuneloop_workers.files import new_file

_VERSION = 3


class ScaledUpdate(NamedTuple):
    adapter: AdapterTensors
    scale: float = 1.0


class _Layout(NamedTuple):
    kind: GGMLQuantizationType
    shape: tuple[int, ...]
    offset: int


def merge(base_gguf: Path, updates: Sequence[ScaledUpdate], out: Path) -> None:
    """Writes the F16 GGUF of base + Σ scale · alpha / rank · B A.

    Raises CorruptArtifact when a merged value does not fit F16, OutOfSpace on a full disk.
    """
    base = GgufFile.open(base_gguf)
    names = gguf_modules(architecture_of(base), layers_of(base))
    modules = {f"{name}.weight": module for module, name in names.items()}
    layouts = _plan(base)
    with new_file(out) as draft, draft.open("wb") as file:
        _write_header(file, base, layouts)
        start = file.tell()
        for name, layout in layouts.items():
            file.seek(start + layout.offset)
            _merged(base, name, layout, modules.get(name, ""), updates).tofile(file)
        file.truncate(_aligned(file.tell(), _alignment(base)))


def _plan(base: GgufFile) -> dict[str, _Layout]:
    layouts: dict[str, _Layout] = {}
    offset = 0
    for name, tensor in base.tensors.items():
        matrix = len(tensor.shape) > 1
        kind = GGMLQuantizationType.F16 if matrix else GGMLQuantizationType.F32
        layouts[name] = _Layout(kind, tensor.shape, offset)
        offset = _aligned(offset + int(np.prod(tensor.shape)) * (2 if matrix else 4), _alignment(base))
    return layouts


def _merged(
    base: GgufFile, name: str, layout: _Layout, module: str, updates: Sequence[ScaledUpdate]
) -> NDArray[np.floating]:
    values = base.values(name)
    for adapter, scale in updates:
        if factors := adapter.factors.get(module):
            b = values_to_gguf(architecture_of(base), module, factors.b, heads_of(base))
            values = values + np.float32(scale * adapter.alpha / adapter.rank) * (b @ factors.a)
    if layout.kind is GGMLQuantizationType.F32:
        return values
    if np.abs(values).max() > np.finfo(np.float16).max:
        raise CorruptArtifact(f"{name} merged exceeds the range of F16; serve the adapter unmerged", tensor=name)
    return values.astype(np.float16)


def _write_header(file: BinaryIO, base: GgufFile, layouts: Mapping[str, _Layout]) -> None:
    file.write(b"GGUF" + struct.pack("<IQQ", _VERSION, len(layouts), len(base.metadata)))
    metadata = bytearray(base.metadata_bytes)
    struct.pack_into("<I", metadata, base.metadata_offsets["general.file_type"], LlamaFileType.MOSTLY_F16)
    file.write(metadata)
    for name, layout in layouts.items():
        text = name.encode()
        file.write(struct.pack("<Q", len(text)) + text)
        file.write(struct.pack(f"<I{len(layout.shape)}Q", len(layout.shape), *reversed(layout.shape)))
        file.write(struct.pack("<IQ", layout.kind, layout.offset))
    file.write(bytes(_aligned(file.tell(), _alignment(base)) - file.tell()))


def _alignment(base: GgufFile) -> int:
    return base.integer("general.alignment") if "general.alignment" in base.metadata else DEFAULT_ALIGNMENT


def _aligned(position: int, alignment: int) -> int:
    return -(-position // alignment) * alignment

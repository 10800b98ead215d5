"""Quantises a merged F16 GGUF with llama.cpp's own quantiser."""

import os
import shutil
from pathlib import Path

from gguf import GGMLQuantizationType

from tuneloop.kit.errors import CorruptArtifact, OutOfSpace
from tuneloop.registry.contract import Quantisation
from tuneloop_workers import llama
from tuneloop_workers.bases.gguf_file import GgufFile
from tuneloop_workers.files import new_file

_ALMOST_FULL_BYTES = 4 * 1024**2


_PLAIN = {GGMLQuantizationType.F32, GGMLQuantizationType.F16, GGMLQuantizationType.BF16}


def quantise(source: Path, out: Path, kind: Quantisation, *, threads: int | None = None, again: bool = False) -> None:
    """Writes `out` from an F16 or F32 GGUF; raises CorruptArtifact for any other source, OutOfSpace on a full disk.

    llama.cpp falls back to a wider type for tensors whose rows don't fill its blocks. `again`: the source may be
    quantised itself.
    """
    GgufFile.open(source)
    with new_file(out) as draft:
        if llama.quantise(source, draft, kind, threads=threads or os.cpu_count() or 1, again=again):
            return
        # llama.cpp reports every failure alike, so the disk itself has to say whether it is full.
        if shutil.disk_usage(out.parent).free < _ALMOST_FULL_BYTES:
            raise OutOfSpace(f"no space left to write {out}; free some space and start again", path=str(out))
        raise CorruptArtifact(
            f"llama.cpp could not quantise {source.name} to {kind}; it takes F16 or F32 models", path=str(source)
        )


def dequantised(source: Path, out: Path, *, threads: int | None = None) -> Path:
    """The same model without quantised tensors: `out`, made once as F16 by llama.cpp, or `source` if it has none."""
    if {tensor.kind for tensor in GgufFile.open(source).tensors.values()} <= _PLAIN:
        return source
    if not out.exists():
        quantise(source, out, Quantisation.F16, threads=threads, again=True)
    return out

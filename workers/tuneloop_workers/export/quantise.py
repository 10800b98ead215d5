"""Quantises a merged F16 GGUF with llama.cpp's own quantiser."""

import ctypes
import os
import shutil
from pathlib import Path

import llama_cpp

from tuneloop.kit.errors import CorruptArtifact, OutOfSpace
from tuneloop.registry.contract import Quantisation
from tuneloop_workers.bases.gguf_file import GgufFile
from tuneloop_workers.bases.llama_model import quieten_llama
from tuneloop_workers.files import new_file

_FILE_TYPES = {
    Quantisation.F16: llama_cpp.LLAMA_FTYPE_MOSTLY_F16,
    Quantisation.Q8_0: llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0,
    Quantisation.Q5_K_M: llama_cpp.LLAMA_FTYPE_MOSTLY_Q5_K_M,
    Quantisation.Q4_K_M: llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M,
}
_ALMOST_FULL_BYTES = 4 * 1024**2


def quantise(source: Path, out: Path, kind: Quantisation, *, threads: int | None = None) -> None:
    """Writes `out` from an F16 or F32 GGUF; raises CorruptArtifact for any other source, OutOfSpace on a full disk.

    llama.cpp falls back to a wider type for tensors whose rows don't fill its blocks.
    """
    GgufFile.open(source)
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = _FILE_TYPES[kind]
    params.nthread = threads or os.cpu_count() or 1
    quieten_llama()
    with new_file(out) as draft:
        code = llama_cpp.llama_model_quantize(str(source).encode(), str(draft).encode(), ctypes.byref(params))
        if code == 0:
            return
        # llama.cpp reports every failure alike, so the disk itself has to say whether it is full.
        if shutil.disk_usage(out.parent).free < _ALMOST_FULL_BYTES:
            raise OutOfSpace(f"no space left to write {out}; free some space and start again", path=str(out))
        raise CorruptArtifact(
            f"llama.cpp could not quantise {source.name} to {kind}; it takes F16 or F32 models", path=str(source)
        )

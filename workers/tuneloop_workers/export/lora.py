"""PEFT adapter → GGUF LoRA, the file that llama.cpp applies on top of the shared base."""

from pathlib import Path

import gguf
import numpy as np

from tuneloop_workers.bases.architectures import gguf_modules, values_to_gguf
from tuneloop_workers.bases.gguf_facts import architecture_of, heads_of, layers_of
from tuneloop_workers.bases.gguf_file import GgufFile
from tuneloop_workers.export.adapter import AdapterTensors
from tuneloop_workers.export.validate import read_adapter
from tuneloop_workers.files import new_file


def export_lora(folder: Path, base_gguf: Path, out: Path, *, half: bool = True) -> AdapterTensors:
    """Writes `out` (factors in F16, or F32 without `half`) from a PEFT folder; returns the checked adapter.

    Raises CorruptArtifact when the adapter is damaged or belongs to another base, OutOfSpace on a full disk.
    """
    base = GgufFile.open(base_gguf)
    adapter = read_adapter(folder, base)
    with new_file(out) as draft:
        _write(adapter, base, draft, np.dtype(np.float16 if half else np.float32))
    return adapter


def _write(adapter: AdapterTensors, base: GgufFile, path: Path, dtype: np.dtype[np.floating]) -> None:
    architecture, heads = architecture_of(base), heads_of(base)
    names = gguf_modules(architecture, layers_of(base))
    writer = gguf.GGUFWriter(path, architecture.value)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, adapter.alpha)
    # A factor that is all zero changes nothing, and would still be computed.
    for module, factors in adapter.factors.items():
        if not factors.b.any():
            continue
        b = values_to_gguf(architecture, module, factors.b, heads)
        writer.add_tensor(f"{names[module]}.weight.lora_a", np.ascontiguousarray(factors.a, dtype))
        writer.add_tensor(f"{names[module]}.weight.lora_b", np.ascontiguousarray(b, dtype))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

"""Random LoRA adapters as GGUF files for a tiny base."""

from hashlib import sha256
from pathlib import Path

import gguf
import numpy as np

from tuneloop_workers.serving.servable import LoraFile

RANK = 4
_TARGETS = ("attn_q.weight", "attn_v.weight", "ffn_down.weight")


def write_adapter(path: Path, base: Path, *, seed: int, strength: float = 0.3, architecture: str = "") -> LoraFile:
    """An adapter that visibly changes the base's answers; `architecture` lies about the base when given."""
    random = np.random.default_rng(seed)
    reader = gguf.GGUFReader(base)
    writer = gguf.GGUFWriter(path, architecture or str(reader.fields["general.architecture"].contents()))
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(RANK))
    for tensor in reader.tensors:
        if tensor.name.endswith(_TARGETS):
            width, height = (int(size) for size in tensor.shape)
            down = random.normal(0, strength, (RANK, width)).astype(np.float32)
            up = random.normal(0, strength, (height, RANK)).astype(np.float32)
            writer.add_tensor(f"{tensor.name}.lora_a", down)
            writer.add_tensor(f"{tensor.name}.lora_b", up)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return LoraFile(sha256(path.read_bytes()).hexdigest(), path)

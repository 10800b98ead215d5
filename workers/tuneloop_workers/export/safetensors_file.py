"""The tensors of a safetensors file that came from outside, once its header has been found honest."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuneloop.registry.adapters.header import Header, StoredTensor, refused


def read_tensor(path: Path, header: Header, tensor: StoredTensor, name: str) -> NDArray[np.float32]:
    """As F32; raises CorruptArtifact unless all its values are finite."""
    size = tensor.end - tensor.start
    stored = np.fromfile(path, dtype=np.uint8, count=size, offset=header.data + tensor.start)
    if tensor.dtype == "BF16":
        values = (stored.view("<u2").astype(np.uint32) << 16).view(np.float32)
    else:
        values = stored.view("<f4" if tensor.dtype == "F32" else "<f2").astype(np.float32)
    if not np.isfinite(values).all():
        raise refused(path, f"{name} holds NaN or infinite values")
    return values.reshape(tensor.shape)

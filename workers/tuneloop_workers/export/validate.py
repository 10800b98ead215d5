"""The gate every adapter passes before anything else touches it: a PEFT LoRA folder, checked against its base."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tuneloop.kit.errors import CorruptArtifact
from tuneloop_workers.bases.architectures import LINEAR_MODULES, gguf_modules
from tuneloop_workers.bases.gguf_file import GgufFile
from tuneloop_workers.bases.hf_config import architecture_of, layers_of
from tuneloop_workers.export.adapter import CONFIG_FILE, WEIGHTS_FILE, AdapterTensors, Factors, tensor_name
from tuneloop_workers.export.safetensors_file import read_safetensors

MAX_RANK = 256
_MAX_CONFIG_BYTES = 1024**2
_MUST_BE_OFF = (
    "alora_invocation_tokens",
    "alpha_pattern",
    "arrow_config",
    "fan_in_fan_out",
    "kasa_config",
    "layer_replication",
    "lora_bias",
    "modules_to_save",
    "monteclora_config",
    "rank_pattern",
    "target_parameters",
    "trainable_token_indices",
    "use_bdlora",
    "use_dora",
    "use_qalora",
    "velora_config",
)


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    peft_type: Literal["LORA"]
    r: Annotated[int, Field(ge=1, le=MAX_RANK)]
    lora_alpha: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
    bias: Literal["none"] = "none"
    use_rslora: bool = False


def read_adapter(folder: Path, base: GgufFile) -> AdapterTensors:
    """Raises CorruptArtifact, naming the first fault, unless the folder is a plain LoRA that fits this base."""
    config = _read_config(folder)
    if not (folder / WEIGHTS_FILE).is_file():
        raise CorruptArtifact(
            f"{folder.name} has no {WEIGHTS_FILE}; pickled weights (.bin, .pt) are never read, save as safetensors",
            path=str(folder),
        )
    tensors = read_safetensors(folder / WEIGHTS_FILE)
    alpha = config.lora_alpha * (config.r**0.5 if config.use_rslora else 1.0)
    return AdapterTensors(alpha, config.r, _factors(tensors, config.r, base))


def _read_config(folder: Path) -> _Config:
    path = folder / CONFIG_FILE
    if not path.is_file() or path.stat().st_size > _MAX_CONFIG_BYTES:
        raise CorruptArtifact(f"{folder.name} has no usable {CONFIG_FILE}; save the adapter with PEFT", path=str(path))
    try:
        settings: Any = orjson.loads(path.read_bytes())
        config = _Config.model_validate(settings)
    except (orjson.JSONDecodeError, ValidationError) as error:
        raise CorruptArtifact(
            f"{CONFIG_FILE} doesn't describe a LoRA of rank 1 to {MAX_RANK}; train one without bias", path=str(path)
        ) from error
    if extras := [name for name in _MUST_BE_OFF if settings.get(name)]:
        raise CorruptArtifact(
            f"the adapter uses {', '.join(extras)}, which llama.cpp can't serve; train a plain LoRA", path=str(path)
        )
    return config


def _factors(tensors: Mapping[str, NDArray[np.float32]], rank: int, base: GgufFile) -> dict[str, Factors]:
    shapes = _linear_shapes(base)
    expected = {tensor_name(module, part): module for module in shapes for part in "AB"}
    if unknown := sorted(tensors.keys() - expected.keys()):
        raise CorruptArtifact(
            f"the adapter has tensors that this base can't take, first {unknown[0]}; was it trained on another base?",
            tensors=unknown[:10],
        )
    if not tensors:
        raise CorruptArtifact("the adapter holds no tensors; save it again")
    modules = dict.fromkeys(module for name, module in expected.items() if name in tensors)
    return {module: _pair(tensors, module, rank, shapes[module]) for module in modules}


def _pair(tensors: Mapping[str, NDArray[np.float32]], module: str, rank: int, shape: tuple[int, ...]) -> Factors:
    rows, columns = shape
    a, b = (tensors.get(tensor_name(module, part)) for part in "AB")
    if a is None or b is None:
        raise CorruptArtifact(f"one of the two factors of {module} is missing; save the adapter again")
    if a.shape != (rank, columns) or b.shape != (rows, rank):
        raise CorruptArtifact(
            f"{module} has factors {a.shape} and {b.shape}, this base needs {(rank, columns)} and {(rows, rank)}; "
            "was the adapter trained on another base?",
            module=module,
        )
    return Factors(a, b)


def _linear_shapes(base: GgufFile) -> dict[str, tuple[int, ...]]:
    modules = gguf_modules(architecture_of(base), layers_of(base))
    return {
        module: base.tensors[f"{name}.weight"].shape
        for module, name in modules.items()
        if module.endswith(LINEAR_MODULES)
    }

"""A LoRA folder as a whole: its configuration, and for each layer the two factors that its file holds."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel

from tuneloop.kit.errors import CorruptArtifact
from tuneloop.registry.adapters.config import LoraConfig, read_config
from tuneloop.registry.adapters.header import Header, StoredTensor, read_header
from tuneloop.registry.adapters.names import factor_of

WEIGHTS_FILE = "adapter_model.safetensors"


class Pair(NamedTuple):
    """Factors of one module; the update of its weights is `scaling` * B A."""

    a: StoredTensor
    b: StoredTensor
    rank: int
    scaling: float


class LoraFolder(NamedTuple):
    """`pairs` by the base's module name, like `model.layers.0.self_attn.q_proj`."""

    config: LoraConfig
    header: Header
    pairs: Mapping[str, Pair]
    weights: Path


class AdapterFacts(BaseModel):
    """What a folder says about itself; `trained_on` is the base that its trainer named, whatever that was."""

    rank: int
    alpha: float
    rslora: bool
    layers: int
    modules: tuple[str, ...]
    dtypes: tuple[str, ...]
    trained_on: str | None


def open_folder(folder: Path) -> LoraFolder:
    """Raises CorruptArtifact, saying what to do, at the first thing that can't be taken over."""
    config = read_config(folder)
    weights = folder / WEIGHTS_FILE
    if not weights.is_file():
        raise CorruptArtifact(
            f"there is no {WEIGHTS_FILE}; pickled weights (.bin, .pt) are never read, save the adapter as safetensors"
        )
    header = read_header(weights)
    if not header.tensors:
        raise CorruptArtifact("the adapter holds no tensors; save it again")
    sides: dict[tuple[str, str], StoredTensor] = {}
    keys: dict[str, str] = {}
    for name, tensor in header.tensors.items():
        factor = factor_of(name)
        if (factor.module, factor.side) in sides:
            raise CorruptArtifact(f"{name[:200]} is there twice; save one adapter into a folder of its own")
        sides[factor.module, factor.side] = tensor
        keys[factor.module] = factor.key
    return LoraFolder(config, header, {module: _pair(config, sides, module, keys[module]) for module in keys}, weights)


def facts_of(found: LoraFolder) -> AdapterFacts:
    layers = {module.split(".")[2] for module in found.pairs}
    return AdapterFacts(
        rank=max(pair.rank for pair in found.pairs.values()),
        alpha=found.config.lora_alpha,
        rslora=bool(found.config.use_rslora),
        layers=len(layers),
        modules=tuple(sorted({module.rpartition(".")[2] for module in found.pairs})),
        dtypes=tuple(sorted({tensor.dtype for tensor in found.header.tensors.values()})),
        trained_on=found.config.base_model_name_or_path,
    )


def _pair(config: LoraConfig, sides: Mapping[tuple[str, str], StoredTensor], module: str, key: str) -> Pair:
    a, b = sides.get((module, "A")), sides.get((module, "B"))
    if a is None or b is None:
        raise CorruptArtifact(f"one of the two factors of {module} is missing; save the adapter again")
    rank = config.rank_of(key)
    if len(a.shape) != 2 or len(b.shape) != 2 or (a.shape[0], b.shape[1]) != (rank, rank):
        raise CorruptArtifact(
            f"{module} has factors {tuple(a.shape)} and {tuple(b.shape)}, its configuration says rank {rank}; "
            "save configuration and weights of one adapter together",
            module=module,
        )
    return Pair(a, b, rank, config.scaling_of(key))

"""The gate every adapter passes before anything else touches it: a PEFT LoRA folder, checked against its base."""

from pathlib import Path

import numpy as np

from tuneloop.kit.errors import CorruptArtifact
from tuneloop.registry.adapters.folder import LoraFolder, Pair, open_folder
from tuneloop_workers.bases.architectures import gguf_modules, linear_modules
from tuneloop_workers.bases.gguf_facts import architecture_of, layers_of
from tuneloop_workers.bases.gguf_file import GgufFile
from tuneloop_workers.export.adapter import AdapterTensors, Factors
from tuneloop_workers.export.safetensors_file import read_tensor


def read_adapter(folder: Path, base: GgufFile) -> AdapterTensors:
    """The adapter at one rank and one alpha, whatever ranks and scales its layers have: the same update of each.

    Raises CorruptArtifact, naming the first fault, unless the folder is a plain LoRA that fits this base.
    """
    found = open_folder(folder)
    shapes = linear_shapes(base)
    for module, pair in found.pairs.items():
        _require_fit(module, pair, shapes)
    rank = max(pair.rank for pair in found.pairs.values())
    scaling = max(pair.scaling for pair in found.pairs.values())
    random = np.random.default_rng(0)
    factors = {
        module: _at(_factors(found, module), found.pairs[module].scaling / scaling, rank, random)
        for module in shapes
        if module in found.pairs
    }
    return AdapterTensors(scaling * rank, rank, factors)


def linear_shapes(base: GgufFile) -> dict[str, tuple[int, ...]]:
    """(outputs, inputs) of every layer that a LoRA can be on."""
    architecture = architecture_of(base)
    names = gguf_modules(architecture, layers_of(base))
    linear = linear_modules(architecture)
    return {module: base.tensors[f"{name}.weight"].shape for module, name in names.items() if module.endswith(linear)}


def _require_fit(module: str, pair: Pair, shapes: dict[str, tuple[int, ...]]) -> None:
    if module not in shapes:
        raise CorruptArtifact(
            f"the adapter has tensors that this base can't take, first {module}; was it trained on another base?",
            module=module,
        )
    rows, columns = shapes[module]
    if (pair.a.shape[1], pair.b.shape[0]) != (columns, rows):
        raise CorruptArtifact(
            f"{module} has factors {tuple(pair.a.shape)} and {tuple(pair.b.shape)}, this base needs "
            f"{(pair.rank, columns)} and {(rows, pair.rank)}; was the adapter trained on another base?",
            module=module,
        )


def _factors(found: LoraFolder, module: str) -> Factors:
    pair = found.pairs[module]
    a, b = (read_tensor(found.weights, found.header, tensor, f"a factor of {module}") for tensor in (pair.a, pair.b))
    return Factors(a, b)


def _at(factors: Factors, scale: float, rank: int, random: np.random.Generator) -> Factors:
    """The same update times `scale` at a higher rank: further columns of B are zero, and rows of A such that they can
    learn."""
    more, columns = rank - factors.a.shape[0], factors.a.shape[1]
    if scale == 1.0 and not more:
        return factors
    rows = random.normal(0.0, columns**-0.5, (more, columns)).astype(np.float32)
    b = np.pad(factors.b * np.float32(scale), ((0, 0), (0, more)))
    return Factors(np.concatenate([factors.a, rows]), b)

"""Turns a GGUF into a folder of Hugging Face weights, so that training starts from the very numbers that serve.

Weights are stored in F32: dequantised values (scale times integer) fit neither BF16 nor F16 exactly, and an exact
copy lets anyone check the pair. A trainer that computes in BF16 casts while loading.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from transformers import AutoModelForCausalLM, PreTrainedModel

from tuneloop.kit.errors import CorruptArtifact
from tuneloop_workers.bases.architectures import gguf_modules, values_from_gguf
from tuneloop_workers.bases.gguf_file import GgufFile
from tuneloop_workers.bases.hf_config import (
    architecture_of,
    config_from_gguf,
    heads_of,
    layers_of,
)
from tuneloop_workers.bases.pair import BakedBase, describe_pair
from tuneloop_workers.bases.tokenizers import tokenizer_from_gguf
from tuneloop_workers.files import new_folder


def bake(gguf: Path, out: Path) -> BakedBase:
    """Writes `out` (config, model.safetensors, tokenizer files) from a GGUF; whole or not at all.

    Raises CorruptArtifact for an unreadable or inconsistent GGUF, InvalidInput for an unsupported one, Conflict
    when `out` exists, OutOfSpace when the disk is full.
    """
    base = GgufFile.open(gguf)
    config = config_from_gguf(base)
    values = _hf_values(base)
    with torch.device("meta"):
        skeleton = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    _check_complete(skeleton, values)
    config.architectures = [type(skeleton).__name__]
    with new_folder(out) as draft:
        save_file(values, draft / "model.safetensors", metadata={"format": "pt"})
        config.save_pretrained(draft)
        tokenizer_from_gguf(base).save_pretrained(draft)
        pair = describe_pair(gguf, draft)
    return replace(pair, weights=out)


def _hf_values(base: GgufFile) -> dict[str, NDArray[np.float32]]:
    architecture, heads = architecture_of(base), heads_of(base)
    modules = {name: module for module, name in gguf_modules(architecture, layers_of(base)).items()}
    values = {}
    for name in base.tensors:
        stem, _, suffix = name.rpartition(".")
        module = modules.get(stem)
        if module is None:
            raise CorruptArtifact(f"{base.path.name} holds {name}, which {architecture} does not have", tensor=name)
        converted = values_from_gguf(architecture, module, base.values(name), heads)
        values[f"{module}.{suffix}"] = np.ascontiguousarray(converted)
    return values


def _check_complete(model: PreTrainedModel, values: Mapping[str, NDArray[np.float32]]) -> None:
    expected = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    found = {name: array.shape for name, array in values.items()}
    if wrong := sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)):
        raise CorruptArtifact(
            f"the GGUF's tensors don't fit its own metadata, first at {wrong[0]}; copy it again from its source",
            tensors=wrong[:10],
        )

"""Turns a GGUF into a folder of Hugging Face weights, so that training starts from the very numbers that serve.

Weights are stored in F32: dequantised values (scale times integer) fit neither BF16 nor F16 exactly, and an exact
copy lets anyone check the pair. A trainer that computes in BF16 casts while loading.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM, PreTrainedModel

from tuneloop.kit.errors import CorruptArtifact
from tuneloop_workers.bases.architectures import gguf_modules, values_from_gguf
from tuneloop_workers.bases.gguf_facts import architecture_of, heads_of, layers_of
from tuneloop_workers.bases.gguf_file import GgufFile
from tuneloop_workers.bases.hf_config import config_from_gguf
from tuneloop_workers.bases.pair import BakedBase, describe_pair
from tuneloop_workers.bases.tokenizers import tokenizer_from_gguf
from tuneloop_workers.bases.weights_file import write_weights
from tuneloop_workers.files import new_folder

_ROWS = 4096
_VOCABULARY = ("model.embed_tokens.weight", "lm_head.weight")


def bake(gguf: Path, out: Path) -> BakedBase:
    """Writes `out` (config, model.safetensors, tokenizer files) from a GGUF; whole or not at all.

    Raises CorruptArtifact for an unreadable or inconsistent GGUF, InvalidInput for an unsupported one, Conflict
    when `out` exists, OutOfSpace when the disk is full.
    """
    base = GgufFile.open(gguf)
    config = config_from_gguf(base)
    names = _gguf_names(base)
    with torch.device("meta"):
        skeleton = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    shapes = {name: base.tensors[stored].shape for name, stored in names.items()}
    _check_complete(skeleton, shapes)
    config.architectures = [type(skeleton).__name__]
    with new_folder(out) as draft, ThreadPoolExecutor(1) as beside:
        writing = beside.submit(
            write_weights, draft / "model.safetensors", shapes, lambda name: _parts(base, names, name)
        )
        config.save_pretrained(draft)
        tokenizer_from_gguf(base).save_pretrained(draft)
        writing.result()
        pair = describe_pair(gguf, draft)
    return replace(pair, weights=out)


def _gguf_names(base: GgufFile) -> dict[str, str]:
    """Name in the GGUF by name in Hugging Face's model."""
    architecture = architecture_of(base)
    modules = {name: module for module, name in gguf_modules(architecture, layers_of(base)).items()}
    names = {}
    for name in base.tensors:
        stem, _, suffix = name.rpartition(".")
        module = modules.get(stem)
        if module is None:
            raise CorruptArtifact(f"{base.path.name} holds {name}, which {architecture} does not have", tensor=name)
        names[f"{module}.{suffix}"] = name
    return names


def _parts(base: GgufFile, names: Mapping[str, str], name: str) -> Iterator[NDArray[np.float32]]:
    if name in _VOCABULARY:
        yield from base.rows(names[name], _ROWS)
    else:
        module = name.rpartition(".")[0]
        yield values_from_gguf(architecture_of(base), module, base.values(names[name]), heads_of(base))


def _check_complete(model: PreTrainedModel, found: Mapping[str, tuple[int, ...]]) -> None:
    expected = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    if wrong := sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)):
        raise CorruptArtifact(
            f"the GGUF's tensors don't fit its own metadata, first at {wrong[0]}; copy it again from its source",
            tensors=wrong[:10],
        )

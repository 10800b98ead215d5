"""Nothing but a plain, finite LoRA for this very base gets past the gate."""

import json
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_torch

from tests.export.conftest import Tuned
from tests.support.tiny_models import ArchitectureName
from tuneloop.kit.errors import CorruptArtifact
from tuneloop.registry.adapters.config import CONFIG_FILE
from tuneloop.registry.adapters.folder import WEIGHTS_FILE
from tuneloop_workers.bases.gguf_file import GgufFile
from tuneloop_workers.export.adapter import write_folder
from tuneloop_workers.export.lora import export_lora
from tuneloop_workers.export.validate import read_adapter

TunedModels = Callable[[ArchitectureName], Tuned]
Tensors = dict[str, NDArray[Any]]
Q0 = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"


@pytest.fixture
def base(tuned: TunedModels) -> GgufFile:
    return GgufFile.open(tuned("gemma3").base.gguf)


@pytest.fixture
def adapter(tuned: TunedModels, tmp_path: Path) -> Path:
    """A copy of a good adapter, for each test to spoil."""
    return Path(shutil.copytree(tuned("gemma3").first, tmp_path / "adapter"))


def spoil(adapter: Path, change: Callable[[Tensors], object]) -> None:
    tensors: Tensors = load_file(adapter / WEIGHTS_FILE)
    change(tensors)
    save_file(tensors, adapter / WEIGHTS_FILE)


def raw(header: dict[str, Any], data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def test_a_good_adapter_is_read_exactly(adapter: Path, base: GgufFile) -> None:
    found = read_adapter(adapter, base)
    stored = load_file(adapter / WEIGHTS_FILE)
    assert (found.rank, found.alpha, len(found.factors)) == (4, 8.0, 42)
    assert np.array_equal(found.factors["model.layers.0.self_attn.q_proj"].a, stored[Q0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_adapters_are_read_exactly(adapter: Path, base: GgufFile, dtype: torch.dtype) -> None:
    tensors = {name: torch.from_numpy(values).to(dtype) for name, values in load_file(adapter / WEIGHTS_FILE).items()}
    save_torch(tensors, adapter / WEIGHTS_FILE)
    found = read_adapter(adapter, base)
    assert np.array_equal(found.factors["model.layers.0.self_attn.q_proj"].a, tensors[Q0].float().numpy())


def test_a_reserialised_adapter_is_the_same_adapter(adapter: Path, base: GgufFile, tmp_path: Path) -> None:
    found = read_adapter(adapter, base)
    write_folder(found, tmp_path / "clean")

    export_lora(adapter, base.path, tmp_path / "before.gguf")
    export_lora(tmp_path / "clean", base.path, tmp_path / "after.gguf")

    assert (tmp_path / "before.gguf").read_bytes() == (tmp_path / "after.gguf").read_bytes()


@pytest.mark.failure_case(16)
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.update({Q0: np.full_like(t[Q0], np.nan)}), "NaN or infinite"),
        (lambda t: t.update({Q0: np.full_like(t[Q0], np.inf)}), "NaN or infinite"),
        (lambda t: t.update({"lm_head.weight": t[Q0]}), "leave lm_head out"),
        (lambda t: t.update({Q0.replace("A.weight", "magnitude_vector"): t[Q0]}), "use_dora=False"),
        (lambda t: t.update({Q0.replace("lora_A.weight", "lora_B.bias"): t[Q0]}), "bias='none'"),
        (
            lambda t: t.update({"base_model.model.model.embed_tokens.lora_embedding_A": t[Q0]}),
            "embed_tokens and lm_head",
        ),
        (
            lambda t: t.update({"base_model.model.vision_tower.layers.0.q.lora_A.weight": t[Q0]}),
            "language layers alone",
        ),
        (lambda t: t.update({Q0.replace("lora_A", "lora_A.default"): t[Q0]}), "there twice"),
        (lambda t: t.update({"something.else": t[Q0]}), "no factor of a LoRA"),
        (
            lambda t: [t.update({n.replace("s.0.", "s.99."): t[n]}) for n in list(t) if "0.self_attn.q" in n],
            "can't take",
        ),
        (lambda t: t.update({Q0: t[Q0][:, :-1].copy()}), "this base needs"),
        (lambda t: t.update({Q0: t[Q0][:2].copy()}), "its configuration says rank 4"),
        (lambda t: t.update({Q0: t[Q0].reshape(-1)}), "its configuration says rank 4"),
        (lambda t: t.update({Q0: t[Q0].astype(np.int8)}), "F32, F16 or BF16"),
        (lambda t: t.pop(Q0), "missing"),
        (lambda t: t.clear(), "no tensors"),
    ],
)
def test_wrong_tensors_are_refused(
    adapter: Path, base: GgufFile, change: Callable[[Tensors], object], reason: str
) -> None:
    spoil(adapter, change)
    with pytest.raises(CorruptArtifact, match=reason):
        read_adapter(adapter, base)


@pytest.mark.failure_case(16)
def test_an_adapter_of_another_base_is_refused(tuned: TunedModels, base: GgufFile) -> None:
    tensors = load_file(tuned("llama").first / WEIGHTS_FILE)
    assert len(tensors) == 42
    with pytest.raises(CorruptArtifact, match="another base"):
        read_adapter(tuned("gemma3").first, GgufFile.open(tuned("llama").base.gguf))


@pytest.mark.failure_case(17)
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "header"),
        (pickle.dumps({"a": 1}), "header"),
        (b"PK\x03\x04" + bytes(200), "header"),
        (struct.pack("<Q", 2**63) + b"{}", "header"),
        (struct.pack("<Q", 2) + b"[]", "header"),
        (raw({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 8]}}, bytes(8)), "shape"),
        (raw({"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}}, bytes(8)), "header"),
        (
            raw(
                {
                    "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
                    "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]},
                },
                bytes(12),
            ),
            "overlap",
        ),
        (raw({"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}}, bytes(16)), "gaps"),
        (raw({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}, bytes(8)), "past the end"),
        (raw({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(12)), "gaps"),
    ],
)
def test_files_that_are_no_honest_safetensors_are_refused(
    adapter: Path, base: GgufFile, content: bytes, reason: str
) -> None:
    (adapter / WEIGHTS_FILE).write_bytes(content)
    with pytest.raises(CorruptArtifact, match=reason):
        read_adapter(adapter, base)


@pytest.mark.failure_case(17)
def test_pickled_weights_are_never_opened(adapter: Path, base: GgufFile) -> None:
    (adapter / WEIGHTS_FILE).rename(adapter / "adapter_model.bin")
    with pytest.raises(CorruptArtifact, match="never read"):
        read_adapter(adapter, base)


@pytest.mark.failure_case(16)
@pytest.mark.parametrize(
    "change",
    [
        {"r": 4096},
        {"r": 0},
        {"lora_alpha": float("nan")},
        {"peft_type": "IA3"},
        {"bias": "all"},
        {"use_dora": True},
        {"modules_to_save": ["lm_head"]},
        {"rank_pattern": {"q_proj": 4096}},
        {"alpha_pattern": {"(": 2}},
        {"target_parameters": ["mlp.experts"]},
        {"layer_replication": [[0, 2]]},
        {"init_lora_weights": "pissa_niter_4"},
    ],
)
def test_configurations_beyond_a_plain_lora_are_refused(
    adapter: Path, base: GgufFile, change: dict[str, object]
) -> None:
    config = json.loads((adapter / CONFIG_FILE).read_text())
    (adapter / CONFIG_FILE).write_text(json.dumps(config | change))
    with pytest.raises(CorruptArtifact, match=r"plain LoRA|a LoRA of rank 1 to 256"):
        read_adapter(adapter, base)


def test_a_refused_adapter_writes_no_gguf(adapter: Path, base: GgufFile, tmp_path: Path) -> None:
    (adapter / WEIGHTS_FILE).write_bytes(b"")
    with pytest.raises(CorruptArtifact):
        export_lora(adapter, base.path, tmp_path / "out" / "adapter.gguf")
    assert not (tmp_path / "out").exists()

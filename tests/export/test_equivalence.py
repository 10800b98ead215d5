"""What llama.cpp serves equals what PEFT trained, on every architecture and in every form we ship."""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.export.conftest import ARCHITECTURES, Tuned
from tests.support.tiny_models import SLIDING_WINDOW, ArchitectureName
from tuneloop_workers.bases.gguf_file import GgufFile
from tuneloop_workers.export.lora import export_lora
from tuneloop_workers.export.merge import ScaledUpdate, merge
from tuneloop_workers.export.reference import Reference
from tuneloop_workers.export.served import ScaledAdapter, served_logprobs
from tuneloop_workers.llama import Model

PREFIX = [2, *range(50, 50 + SLIDING_WINDOW)]
SUFFIXES = [[100, 101, 102], [200], [300, 17, 18, 90, 91, 92, 93]]
# llama.cpp reads Gemma's activation function from an F16 table; the other families agree to 1e-5.
F32_TOLERANCE = 5e-3
F16_TOLERANCE = 3e-2

TunedModels = Callable[[ArchitectureName], Tuned]


def served(gguf: Path, adapters: Sequence[ScaledAdapter] = ()) -> NDArray[np.float32]:
    with closing(Model(gguf)) as model:
        return served_logprobs(model, adapters, PREFIX, SUFFIXES, exact=True)


def trained(weights: Path, *adapters: tuple[Path, float]) -> NDArray[np.float32]:
    return Reference(weights, adapters).logprobs(PREFIX, SUFFIXES)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_tiny_base_answers_alike_on_both_sides(tuned: TunedModels, architecture: ArchitectureName) -> None:
    base = tuned(architecture).base
    np.testing.assert_allclose(served(base.gguf), trained(base.weights), atol=F32_TOLERANCE)


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "mistral"])
def test_exported_adapter_equals_peft(tuned: TunedModels, architecture: ArchitectureName, tmp_path: Path) -> None:
    base, adapter, _ = tuned(architecture)
    export_lora(adapter, base.gguf, tmp_path / "adapter.gguf", half=False)

    answers = served(base.gguf, [ScaledAdapter(tmp_path / "adapter.gguf")])

    np.testing.assert_allclose(answers, trained(base.weights, (adapter, 1.0)), atol=F32_TOLERANCE)
    assert np.abs(answers - served(base.gguf)).max() > 1.0


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_two_scaled_adapters_add_up_as_in_peft(
    tuned: TunedModels, architecture: ArchitectureName, tmp_path: Path
) -> None:
    base, first, second = tuned(architecture)
    parts = [ScaledAdapter(tmp_path / "first.gguf", 0.3), ScaledAdapter(tmp_path / "second.gguf", 0.7)]
    for folder, part in zip((first, second), parts, strict=True):
        export_lora(folder, base.gguf, part.path, half=False)

    answers = served(base.gguf, parts)

    np.testing.assert_allclose(answers, trained(base.weights, (first, 0.3), (second, 0.7)), atol=F32_TOLERANCE)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_merged_model_equals_base_with_adapters(
    tuned: TunedModels, architecture: ArchitectureName, tmp_path: Path
) -> None:
    base, first, second = tuned(architecture)
    updates = [
        ScaledUpdate(export_lora(folder, base.gguf, tmp_path / f"{scale}.gguf"), scale)
        for folder, scale in ((first, 0.3), (second, 0.7))
    ]

    merge(base.gguf, updates, tmp_path / "merged.gguf")

    expected = trained(base.weights, (first, 0.3), (second, 0.7))
    np.testing.assert_allclose(served(tmp_path / "merged.gguf"), expected, atol=F16_TOLERANCE)


def test_merged_model_keeps_tokenizer_and_metadata_untouched(tuned: TunedModels, tmp_path: Path) -> None:
    base = tuned("gemma3").base
    merge(base.gguf, [], tmp_path / "merged.gguf")

    before, after = GgufFile.open(base.gguf), GgufFile.open(tmp_path / "merged.gguf")

    changed = [key for key, value in before.metadata.items() if not np.array_equal(value, after.metadata[key])]
    assert changed == ["general.file_type"]
    assert len(after.metadata_bytes) == len(before.metadata_bytes)
    assert list(after.tensors) == list(before.tensors)


def test_half_precision_adapter_stays_close(tuned: TunedModels, tmp_path: Path) -> None:
    base, adapter, _ = tuned("gemma3")
    export_lora(adapter, base.gguf, tmp_path / "adapter.gguf")
    answers = served(base.gguf, [ScaledAdapter(tmp_path / "adapter.gguf")])
    np.testing.assert_allclose(answers, trained(base.weights, (adapter, 1.0)), atol=F16_TOLERANCE)

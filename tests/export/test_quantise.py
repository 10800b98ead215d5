"""Merged models are quantised by llama.cpp and load again."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.export.conftest import ARCHITECTURES, Tuned
from tests.support.tiny_models import ArchitectureName
from tuneloop.kit.errors import CorruptArtifact
from tuneloop.registry.contract import Quantisation
from tuneloop_workers.bases.gguf_facts import quantisation_of
from tuneloop_workers.bases.gguf_file import GgufFile
from tuneloop_workers.export.lora import export_lora
from tuneloop_workers.export.merge import ScaledUpdate, merge
from tuneloop_workers.export.quantise import quantise
from tuneloop_workers.export.served import served_logprobs
from tuneloop_workers.llama import Model

KINDS = (Quantisation.Q8_0, Quantisation.Q5_K_M, Quantisation.Q4_K_M)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("kind", KINDS)
def test_quantised_models_load_and_stay_near_the_merged_one(
    tuned: Callable[[ArchitectureName], Tuned], architecture: ArchitectureName, kind: Quantisation, tmp_path: Path
) -> None:
    base, adapter, _ = tuned(architecture)
    merged, small = tmp_path / "merged.gguf", tmp_path / "small.gguf"
    merge(base.gguf, [ScaledUpdate(export_lora(adapter, base.gguf, tmp_path / "adapter.gguf"))], merged)

    quantise(merged, small, kind, threads=1)

    answers = []
    for path in (merged, small):
        with closing(Model(path)) as model:
            answers.append(np.exp(served_logprobs(model, [], [2, 60, 61], [[70, 71]])))
    assert quantisation_of(GgufFile.open(small)) == kind
    assert small.stat().st_size < merged.stat().st_size
    assert np.abs(answers[0] - answers[1]).sum() / 2 < 0.35


def test_a_quantised_source_is_refused_and_leaves_nothing(
    tuned: Callable[[ArchitectureName], Tuned], tmp_path: Path
) -> None:
    merge(tuned("llama").base.gguf, [], tmp_path / "merged.gguf")
    quantise(tmp_path / "merged.gguf", tmp_path / "small.gguf", Quantisation.Q4_K_M, threads=1)

    with pytest.raises(CorruptArtifact, match="F16 or F32"):
        quantise(tmp_path / "small.gguf", tmp_path / "again.gguf", Quantisation.Q8_0, threads=1)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["merged.gguf", "small.gguf"]

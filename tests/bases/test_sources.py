"""Bases come from pinned or local places, as safetensors and GGUF only."""

import shutil
from pathlib import Path

import pytest

from tests.support.tiny_models import TinyPair, build_tiny_pair
from tuneloop.kit.errors import InvalidInput, NotFound
from tuneloop_workers.bases.sources import from_folder, from_package


@pytest.fixture
def pair(tmp_path: Path) -> TinyPair:
    return build_tiny_pair(tmp_path / "pair", "qwen3")


def test_a_folder_with_only_a_gguf_is_baked(pair: TinyPair, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    shutil.copy(pair.gguf, tmp_path / "source" / "model.gguf")

    base = from_folder(tmp_path / "source", tmp_path / "work")

    assert base.weights == tmp_path / "work" / "weights"
    assert from_folder(tmp_path / "source", tmp_path / "work") == base


def test_a_folder_with_weights_is_taken_as_it_is(pair: TinyPair, tmp_path: Path) -> None:
    pair.weights.rename(pair.gguf.parent / "weights")
    base = from_folder(pair.gguf.parent, tmp_path / "work")
    assert base.weights == pair.gguf.parent / "weights"
    assert not (tmp_path / "work").exists()


def test_pickled_weights_are_refused(pair: TinyPair, tmp_path: Path) -> None:
    weights = pair.gguf.parent / "weights"
    weights.mkdir()
    (weights / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(InvalidInput, match="pickled"):
        from_folder(pair.gguf.parent, tmp_path / "work")


def test_a_folder_without_exactly_one_gguf_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="holds 0 GGUF"):
        from_folder(tmp_path, tmp_path / "work")


def test_only_packages_of_the_list_are_imported(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="base package"):
        from_package("antigravity", tmp_path)

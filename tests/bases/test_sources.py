"""Bases come from pinned or local places, as safetensors and GGUF only."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.tiny_models import TinyPair, build_tiny_pair
from tuneloop.kit.errors import InvalidInput, NotFound
from tuneloop_workers.bases.sources import PinnedRepository, from_folder, from_hub, from_package

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def pair(tmp_path: Path) -> TinyPair:
    return build_tiny_pair(tmp_path / "pair", "qwen3")


class LocalHub:
    """Copies files the way `snapshot_download` would; records what was asked for."""

    def __init__(self, repositories: dict[str, Path]) -> None:
        self.repositories = repositories
        self.asked: list[tuple[str, str]] = []

    def __call__(self, repo_id: str, *, revision: str, local_dir: Path, allow_patterns: Sequence[str]) -> str:
        self.asked.append((repo_id, revision))
        local_dir.mkdir(parents=True, exist_ok=True)
        for pattern in allow_patterns:
            for path in self.repositories[repo_id].glob(pattern):
                shutil.copy(path, local_dir / path.name)
        return str(local_dir)


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


@pytest.mark.parametrize("revision", ["main", "v1.0", COMMIT[:7], COMMIT.upper(), f"{COMMIT}\n"])
def test_an_unpinned_revision_is_refused(revision: str) -> None:
    with pytest.raises(InvalidInput, match="40 hexadecimal"):
        PinnedRepository("acme/model", revision)


def test_the_hub_is_asked_for_the_pinned_commit_and_only_for_what_is_read(pair: TinyPair, tmp_path: Path) -> None:
    (pair.weights / "evil.py").write_text("raise SystemExit")
    hub = LocalHub({"acme/gguf": pair.gguf.parent, "acme/weights": pair.weights})

    base = from_hub(
        PinnedRepository("acme/gguf", COMMIT),
        "model.gguf",
        tmp_path / "work",
        weights=PinnedRepository("acme/weights", COMMIT),
        download=hub,
    )

    assert hub.asked == [("acme/gguf", COMMIT), ("acme/weights", COMMIT)]
    assert not list(base.weights.glob("*.py"))


def test_a_file_that_the_hub_lacks_is_not_found(pair: TinyPair, tmp_path: Path) -> None:
    hub = LocalHub({"acme/gguf": pair.gguf.parent})
    with pytest.raises(NotFound, match=r"other\.gguf"):
        from_hub(PinnedRepository("acme/gguf", COMMIT), "other.gguf", tmp_path / "work", download=hub)


def test_only_packages_of_the_list_are_imported(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="base package"):
        from_package("antigravity", tmp_path)

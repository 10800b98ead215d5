from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.export.adapters import random_adapter
from tests.support.tiny_models import ArchitectureName, TinyPair, build_tiny_pair

ARCHITECTURES: tuple[ArchitectureName, ...] = ("gemma2", "gemma3", "llama", "phi3", "qwen2", "qwen3")


class Tuned(NamedTuple):
    """A tiny base with two adapters."""

    base: TinyPair
    first: Path
    second: Path


@pytest.fixture(scope="session")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Callable[[ArchitectureName], Tuned]:
    built: dict[str, Tuned] = {}

    def build(architecture: ArchitectureName) -> Tuned:
        if architecture not in built:
            folder = tmp_path_factory.mktemp(architecture)
            base = build_tiny_pair(folder, architecture)
            first = random_adapter(base.weights, folder / "first", seed=1)
            second = random_adapter(base.weights, folder / "second", seed=2, rank=8, alpha=4)
            built[architecture] = Tuned(base, first, second)
        return built[architecture]

    return build

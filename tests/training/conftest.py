"""Tiny random bases, built once per session and architecture."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.support.tiny_models import ArchitectureName, build_tiny_pair


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[[ArchitectureName], Path]:
    """Hugging Face folder of a tiny random model of an architecture."""

    @cache
    def build(architecture: ArchitectureName) -> Path:
        return build_tiny_pair(tmp_path_factory.mktemp(architecture), architecture).weights

    return build


@pytest.fixture(scope="session")
def gemma(tiny_weights: Callable[[ArchitectureName], Path]) -> Path:
    return tiny_weights("gemma3")

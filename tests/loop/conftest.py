"""One running installation for the tests of a file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.running import Running, running_with_tiny_base


@pytest.fixture(scope="module")
def running(engines_folder: Path) -> Iterator[Running]:
    with running_with_tiny_base(engines_folder / "installation") as started:
        yield started

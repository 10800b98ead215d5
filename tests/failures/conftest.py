"""Failures injected into a running installation, many times each: `make test-failures`; other runs leave them out."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.failures.figures import FIGURES
from tests.failures.installation import Faulty, faulty

collect_ignore_glob = [] if os.environ.get("TUNELOOP_FAILURES") else ["test_*.py"]


@pytest.fixture(scope="session")
def site(engines_folder: Path) -> Iterator[Faulty]:
    with faulty(engines_folder / "failures") as started:
        yield started


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if FIGURES:
        terminalreporter.section("what was injected, and what came of it")
        for line in FIGURES:
            terminalreporter.write_line(line)

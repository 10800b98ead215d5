"""Every kind of error says whether trying again may help; a job asks it."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module

import pytest

import tuneloop
import tuneloop_billing
import tuneloop_bot
import tuneloop_local
import tuneloop_reports
import tuneloop_workers
from tuneloop.kit.errors import TuneloopError

PACKAGES = (tuneloop, tuneloop_local, tuneloop_bot, tuneloop_workers, tuneloop_billing, tuneloop_reports)


def errors() -> list[type[TuneloopError]]:
    for package in PACKAGES:
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
    return sorted(set(below(TuneloopError)), key=lambda kind: f"{kind.__module__}.{kind.__name__}")


def below(kind: type[TuneloopError]) -> Iterator[type[TuneloopError]]:
    for each in kind.__subclasses__():
        if not each.__module__.startswith("tests."):
            yield each
        yield from below(each)


@pytest.fixture(scope="module")
def kinds() -> list[type[TuneloopError]]:
    return errors()


def test_every_error_class_has_decided_whether_it_may_pass(kinds: list[type[TuneloopError]]) -> None:
    """Itself, or by the class above it that is not the base of all."""
    undecided = [
        f"{kind.__module__}.{kind.__name__}"
        for kind in kinds
        if not any("transient" in vars(each) for each in kind.__mro__ if each is not TuneloopError)
    ]
    assert undecided == []

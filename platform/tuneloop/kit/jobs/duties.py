"""The scheduler's other duties: row by row, a transaction each, so that none keeps the others waiting."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from sqlmodel import Session

from tuneloop.kit.db import Database

log = structlog.get_logger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 3600.0
"""Seconds that what fails is set aside for, twice as long each time."""

SLICE = 0.5
"""Seconds that one duty may take of a round; what it has not come to is still due in the next one."""


@dataclass(frozen=True)
class Duty:
    """`due` lists the ids of rows to act on, across agencies; `act` does so for one, if it still is due."""

    name: str
    due: Callable[[Session], Sequence[UUID]]
    act: Callable[[Session, UUID], object]


@dataclass
class SetAside:
    """What has failed, by name, and until when it is left alone. Nothing of it outlives the process."""

    clock: Callable[[], float] = time.monotonic
    _failures: dict[str, int] = field(default_factory=dict)
    _until: dict[str, float] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return self._until.get(name, 0.0) > self.clock()

    @contextmanager
    def on_failure(self, name: str, *, longest: float = LONGEST_PAUSE) -> Iterator[None]:
        """Whatever goes wrong in the block is reported and keeps `name` set aside for a while."""
        try:
            yield
        except Exception as error:  # an edge: one row or one engine must not stop the others
            failures = self._failures[name] = self._failures.get(name, 0) + 1
            pause = min(FIRST_PAUSE * 2 ** (failures - 1), longest)
            self._until[name] = self.clock() + pause
            log.warning("set_aside", what=name, failures=failures, seconds=pause, error=error, exc_info=failures == 1)
        else:
            self._failures.pop(name, None)
            self._until.pop(name, None)


def perform(database: Database, duty: Duty, aside: SetAside | None = None) -> int:
    """Act on the rows that are due and not set aside, as far as a round's time goes; returns on how many."""
    aside = aside or SetAside()
    until = aside.clock() + SLICE
    rows: Sequence[UUID] = ()
    if duty.name not in aside:
        with aside.on_failure(duty.name), database.all_agencies() as session:
            rows = duty.due(session)
    acted = 0
    for row in rows:
        if aside.clock() > until:
            break
        name = f"{duty.name} {row}"
        if name not in aside:
            with aside.on_failure(name):
                with database.all_agencies() as session:
                    duty.act(session, row)
                acted += 1
    return acted

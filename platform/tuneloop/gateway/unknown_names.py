"""Names that were looked up in vain a moment ago: asking for them again costs nothing."""

import time
from typing import NamedTuple
from uuid import UUID

SECONDS = 2.0
MOST = 10_000


class AskedName(NamedTuple):
    agency_id: UUID
    name: str


class UnknownNames:
    def __init__(self) -> None:
        self._until: dict[AskedName, float] = {}

    def __contains__(self, asked: AskedName) -> bool:
        return self._until.get(asked, 0.0) > time.monotonic()

    def add(self, asked: AskedName) -> None:
        """For some seconds; forgotten sooner where others ask for very many."""
        if len(self._until) >= MOST:
            self._until.clear()
        self._until[asked] = time.monotonic() + SECONDS

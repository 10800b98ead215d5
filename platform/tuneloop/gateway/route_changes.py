"""What the database says of changes that concern gateways: each commit names the rows that it changed.

Triggers of the schema send it (migration `route_notices`), so that nobody who writes a row has to think of it.
"""

from dataclasses import dataclass, field
from uuid import UUID

import structlog

log = structlog.get_logger(__name__)

CHANNEL = "tuneloop_routes"


@dataclass
class Changes:
    """Ids of what has to be read anew; `people` stands for their keys, `agencies` and `bases` for their models."""

    everything: bool = False
    models: set[UUID] = field(default_factory=set)
    keys: set[UUID] = field(default_factory=set)
    people: set[UUID] = field(default_factory=set)
    agencies: set[UUID] = field(default_factory=set)
    bases: set[UUID] = field(default_factory=set)

    def __bool__(self) -> bool:
        return self.everything or any((self.models, self.keys, self.people, self.agencies, self.bases))

    def note(self, payload: str) -> None:
        """What is not understood, such as the empty notice of an older release, may be anything."""
        kind, _, number = payload.partition(" ")
        kinds = {
            "model": self.models,
            "key": self.keys,
            "person": self.people,
            "agency": self.agencies,
            "base": self.bases,
        }
        try:
            kinds[kind].add(UUID(number))
        except (KeyError, ValueError):
            self.everything = True

    def add(self, other: "Changes") -> None:
        self.everything |= other.everything
        self.models |= other.models
        self.keys |= other.keys
        self.people |= other.people
        self.agencies |= other.agencies
        self.bases |= other.bases

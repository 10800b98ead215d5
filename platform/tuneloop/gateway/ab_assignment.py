"""Which arm of an A/B test a person belongs to: decided by a hash, so that every gateway says the same for ever."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from tuneloop.tables import Arm


class Assignment(NamedTuple):
    """The arm that answered, for the log."""

    ab_test_id: UUID
    arm: Arm


@dataclass(frozen=True, slots=True)
class Split:
    """`share` of the people is the candidate's until `ends_at`, also where nobody can be told that it is over."""

    ab_test_id: UUID
    share: float
    ends_at: datetime

    def of(self, person: str) -> Assignment:
        digest = sha256(f"{self.ab_test_id}:{person}".encode()).digest()
        mine = int.from_bytes(digest[:8]) < self.share * 2**64
        return Assignment(self.ab_test_id, Arm.CANDIDATE if mine else Arm.PRODUCTION)

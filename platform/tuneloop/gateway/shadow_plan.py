"""Which questions a shadow test puts to its candidate too."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID


@dataclass(frozen=True, slots=True)
class ShadowPlan:
    """`share` of the answers is repeated by the candidate until `ends_at`, and none after it."""

    shadow_test_id: UUID
    share: float
    ends_at: datetime

    def takes(self, answer_id: UUID, *, at: datetime) -> bool:
        digest = sha256(f"{self.shadow_test_id}:{answer_id}".encode()).digest()
        return at < self.ends_at and int.from_bytes(digest[:8]) < self.share * 2**64

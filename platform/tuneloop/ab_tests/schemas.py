"""What the API reads and writes about A/B tests."""

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from tuneloop.ab_tests.figures import in_words
from tuneloop.ab_tests.service import DAYS, LABELS, SHARE
from tuneloop.registry.contract import Sha256
from tuneloop.tables import AbState, AbTest


class AbTestCreate(BaseModel):
    """`digest` of the candidate; `share` of the people who get it; `labels` that people are asked for, an arm."""

    model_config = ConfigDict(extra="forbid")

    digest: Sha256
    share: float = Field(default=SHARE, description="0.05 to 0.5")
    days: int = DAYS
    labels: int = LABELS


class AbTestStop(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str | None = Field(default=None, max_length=2000)


class AbTestRead(BaseModel):
    """`reading` has every rate with n and interval, and `says` what they mean."""

    id: UUID
    cycle_id: UUID
    model: str
    production: str
    candidate: str
    state: AbState
    share: float
    days: int
    labels: int
    started_by: str
    created_at: datetime
    began_at: datetime | None
    ends_at: datetime | None
    ended_at: datetime | None
    ended_by: str | None
    reason: str | None
    reading: dict[str, Any] | None
    read_at: datetime | None
    says: list[str]

    @classmethod
    def of(cls, test: AbTest, *, model: str, production: str, candidate: str) -> Self:
        return cls(
            **test.model_dump(include=set(cls.model_fields)),
            model=model,
            production=production,
            candidate=candidate,
            says=in_words(test.reading) if test.reading else [],
        )

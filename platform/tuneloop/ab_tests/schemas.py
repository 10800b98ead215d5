"""What the API reads and writes about A/B tests."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from tuneloop.kit.figures import RateRead
from tuneloop.registry.contract import Sha256
from tuneloop.tables import AbState

SHARE, LEAST_SHARE, MOST_SHARE = 0.2, 0.05, 0.5
DAYS, MOST_DAYS = 14, 60
LABELS, FEWEST_LABELS, MOST_LABELS = 60, 10, 1000
"""Labels an arm: as many as half a week's default review budget takes in a fortnight of both arms."""


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


class ArmRead(TypedDict):
    answers: int
    people: int
    accuracy: RateRead
    reports: RateRead
    hallucination: RateRead


class ArmDifference(TypedDict):
    """Candidate - production; `value` is None and `n` 0 before there are labels of both."""

    value: float | None
    low: float
    high: float
    n: int


class Split(TypedDict):
    """Shares of the people: as planned, and as it came; `p` says how likely that is by chance."""

    planned: float
    candidate: RateRead
    p: float
    mismatch: bool


class Power(TypedDict):
    """The `provable` fall at so many labels, and the `labels` an arm that a `fall` takes; None: none, or too many."""

    provable: float | None
    fall: float
    labels: int | None


class AbReading(TypedDict):
    arms: dict[str, ArmRead]
    difference: ArmDifference
    harm: list[str]
    split: Split
    power: Power | None


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
    reading: AbReading | None
    read_at: datetime | None
    says: list[str]

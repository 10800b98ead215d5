"""What the endpoints of the review queue read and write."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from tuneloop.tables import ReviewPurpose, ReviewState


class _Read(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class NeighbourRead(_Read):
    text: str
    expected: str
    similarity: float


class LabelRead(_Read):
    labeller: str
    expected: str
    category: str
    blind: bool
    at: datetime


class ItemRead(BaseModel):
    """A question to a labeller. `choices` are answers to choose from or edit, without names; none while blind."""

    id: UUID
    purpose: ReviewPurpose
    state: ReviewState
    reason: str
    completion: str | None
    messages: list[dict[str, Any]]
    labels: list[str] = Field(description="answers that are allowed; empty for free text")
    choices: list[str]
    blind: bool
    wanted_labels: int
    neighbours: list[NeighbourRead]
    created_at: datetime


class SettledRead(_Read):
    """An item after a label. `answers` tells who said what; it is null until the item is settled."""

    id: UUID
    purpose: ReviewPurpose
    state: ReviewState
    reason: str
    wanted_labels: int
    expected: str | None
    category: str | None
    outcome: str | None
    example_id: UUID | None
    answers: dict[str, Any] | None
    labels: list[LabelRead]


class NextRead(BaseModel):
    """`item` is null when nothing waits for this labeller."""

    item: ItemRead | None
    waiting: int


class FillRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"budget": 100}]})

    budget: int | None = Field(default=None, ge=10, le=500, description="left out: the model's policy says")


class FilledRead(_Read):
    budget: int
    sample: int
    uncertain: int
    contradicting: int
    flagged: int


class AnswerRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"expected": "refund_status"}]})

    expected: str = Field(min_length=1, max_length=20_000)
    category: str | None = Field(default=None, max_length=80)
    seconds: float | None = Field(default=None, ge=0, le=86_400, description="how long the labeller took")
    second_opinion: bool = Field(default=False, description="the labeller is not sure: ask somebody else too")


class SettleRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"expected": "refund_status"}]})

    expected: str = Field(min_length=1, max_length=20_000)
    category: str | None = Field(default=None, max_length=80)


class QueueCountRead(_Read):
    purpose: ReviewPurpose
    state: ReviewState
    n: int


class AgreementRead(_Read):
    """Cohen's kappa: 1 is full agreement, 0 what chance gives; with its 95 % interval."""

    kappa: float
    low: float
    high: float
    observed: float
    n: int


class QueueRead(BaseModel):
    """`labels` and `median_seconds` are of the last seven days."""

    counts: list[QueueCountRead]
    waiting: int
    labels: int
    median_seconds: float | None
    agreement: AgreementRead | None = Field(description="of two labellers; null while nothing is labelled twice")

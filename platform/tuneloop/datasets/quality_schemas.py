"""What the endpoints of findings, growth, ledger and lineage read and write."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from tuneloop.datasets.schemas import ExampleRead
from tuneloop.datasets.settlement import MOST, Settlement
from tuneloop.tables import FindingKind, FindingState, Pool, Source


class _Read(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class FindingRead(_Read):
    id: UUID
    kind: FindingKind
    state: FindingState
    summary: str
    detail: dict[str, Any]
    found_at: datetime
    settled_by: str | None
    settled_at: datetime | None


class SuspectRead(BaseModel):
    """A finding and the example that it keeps out of training while it is open."""

    finding: FindingRead
    example: ExampleRead


class DismissRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"reason": "it is our own address"}]})

    reason: str = Field(min_length=1, max_length=1_000)


class FixRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"expected": "refund_status"}]})

    expected: str | None = Field(default=None, min_length=1, max_length=20_000, description="left out: delete it")


class SettleRequest(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"findings": ["01890000-0000-7000-8000-000000000000"], "settlement": "delete"}]
        },
    )

    findings: list[UUID] = Field(min_length=1, max_length=MOST)
    settlement: Settlement
    reason: str = Field(default="", max_length=1_000, description="needed to keep them as they are")


class LeftOpenRead(_Read):
    finding_id: UUID
    why: str


class SettledRead(_Read):
    """`left` are those that the decision does not fit."""

    settled: int
    left: list[LeftOpenRead]


class MonthRead(_Read):
    month: str
    added: dict[Source, int]
    total: int


class ExpectedRead(_Read):
    low: int
    high: int


class CategorySizeRead(_Read):
    category: str
    training: int
    measuring: int
    blocked: int


class GrowthRead(_Read):
    """Sizes of the training data. `blocked` examples wait for a person and do not train, `unchecked` for a scan."""

    total: int
    blocked: int
    unchecked: int
    months: list[MonthRead]
    guide: ExpectedRead
    categories: list[CategorySizeRead]
    advice: str


class MoveRead(_Read):
    at: datetime
    actor: str
    example_id: UUID | None
    n: int
    before: Pool | None
    after: Pool | None
    source: str


class SaidRead(_Read):
    labeller: str
    expected: str
    at: datetime


class LineageRead(BaseModel):
    """From the example back to the answer and the people, and on to the versions that learned from it."""

    example: ExampleRead
    added_by: str | None
    retired_at: datetime | None
    deleted_at: datetime | None
    completion: str | None
    reasons: list[str]
    labels: list[SaidRead]
    moves: list[MoveRead]
    seen_by_versions: list[str]

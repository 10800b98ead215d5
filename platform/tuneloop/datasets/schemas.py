"""What the dataset endpoints read and write."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from tuneloop.datasets.row import ProblemKind
from tuneloop.registry.templates import Message
from tuneloop.tables import Pool, Source


class _Read(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ProblemRead(_Read):
    line: int
    kind: ProblemKind
    message: str


class ImportRead(_Read):
    """`problems` are the first 20 of the rejected rows."""

    added: int
    duplicates: int
    rejected: int
    problems: list[ProblemRead]


class ExampleRead(_Read):
    id: UUID
    pool: Pool
    messages: list[Message]
    expected: str
    category: str
    source: Source
    added_at: datetime


class ExamplePage(BaseModel):
    """`next` is the `after` of the next page; null on the last."""

    items: list[ExampleRead]
    next: UUID | None


class CountRead(_Read):
    pool: Pool
    category: str
    n: int


class DeletionRead(BaseModel):
    """The text is gone; these versions learned from it and keep what they learned until they are retrained."""

    id: UUID
    seen_by_versions: list[str]


class RetireRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    example_ids: list[UUID] = Field(min_length=1, max_length=1_000)


class SnapshotCreate(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"pool": "training"}]})

    pool: Pool


class SnapshotRead(_Read):
    id: UUID
    pool: Pool
    digest: str
    size: int
    categories: dict[str, int]
    created_at: datetime

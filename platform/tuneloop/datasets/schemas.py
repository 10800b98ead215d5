"""What the dataset endpoints read and write."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from tuneloop.datasets.forms import Form
from tuneloop.datasets.row import ImportFormat, ProblemKind
from tuneloop.registry.templates import Message
from tuneloop.tables import Pool, Source


class _Read(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ProblemRead(_Read):
    line: int
    kind: ProblemKind
    message: str


class ImportRead(_Read):
    """`problems` are the first 20 of the rejected rows; `not_read` are columns that were not understood.

    Of the added ones, a split put `golden` into the golden set.
    """

    added: int
    golden: int
    duplicates: int
    rejected: int
    problems: list[ProblemRead]
    source: str
    not_read: list[str]


class LabelInFileRead(_Read):
    """`known` is the model's label, found or chosen; `closest` what to suggest where there is none."""

    label: str
    rows: int
    known: str | None
    closest: str | None


class PreviewRowRead(_Read):
    line: int
    messages: list[Message]
    expected: str
    category: str | None


class PreviewRead(_Read):
    """What a file was recognised as. `unclear` says what has to be chosen before it can be imported.

    `good` counts rows that can be read and whose label is known; what is there already is seen at the import.
    """

    format: ImportFormat
    source: str
    forms: dict[Form, int]
    columns: list[str]
    first: list[dict[str, str]]
    text: str | None
    answer: str | None
    category: str | None
    unclear: str | None
    rows: list[PreviewRowRead]
    good: int
    bad: int
    problems: list[ProblemRead]
    labels: list[LabelInFileRead]
    not_read: list[str]


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

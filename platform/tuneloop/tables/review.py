"""What people are asked to label, what they said, and what was found to be wrong with data."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from tuneloop.kit.clock import now
from tuneloop.kit.columns import text_enum
from tuneloop.kit.tenancy import ClientOwned
from tuneloop.tables.datasets import Source
from tuneloop.tables.links import SharedLink


class ReviewPurpose(StrEnum):
    """Why an item is in the queue. Only SAMPLE measures accuracy; the others are chosen, and so biased."""

    SAMPLE = "sample"
    UNCERTAIN = "uncertain"
    FLAGGED = "flagged"
    BURST = "burst"
    GATE = "gate"
    SHADOW = "shadow"
    PROPOSED = "proposed"


class ReviewState(StrEnum):
    OPEN = "open"
    DISPUTED = "disputed"
    DONE = "done"
    SKIPPED = "skipped"


class ReviewItem(ClientOwned, table=True):
    """One question to a labeller.

    `answers` (what versions, users or documents say) stay hidden until the item is labelled, unless the item is a
    proposal to confirm. `inclusion_probability` is that of the draw, so that estimates from a stratified sample stay
    unbiased. `wanted_labels` is 2 for the share that is labelled twice. `attempt` is the one of its cycle whose gate
    asks; `label_of` is the earlier attempt's item whose label this one took over.
    """

    names_objects: ClassVar[bool] = False
    __tablename__ = "review_item"
    __table_args__ = (
        Index(
            "uq_review_item_prediction",
            "prediction_id",
            "purpose",
            "cycle_id",
            "attempt",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("prediction_id is not null"),
        ),
        Index("ix_review_item_queue", "model_id", "state", "priority"),
    )

    model_id: UUID = Field(foreign_key="registered_model.id")
    purpose: ReviewPurpose = Field(sa_type=text_enum(ReviewPurpose))
    source: Source = Field(default=Source.REVIEWED, sa_type=text_enum(Source))
    reason: str
    state: ReviewState = Field(default=ReviewState.OPEN, sa_type=text_enum(ReviewState))
    priority: float = 0.0
    prediction_id: UUID | None = Field(default=None, foreign_key="prediction.id", index=True)
    cycle_id: UUID | None = Field(default=None, foreign_key="retraining_cycle.id", index=True)
    attempt: int | None = None
    label_of: UUID | None = Field(default=None, foreign_key="review_item.id")
    alert_id: UUID | None = Field(default=None, foreign_key="alert.id")
    document_id: UUID | None = Field(default=None, foreign_key="document.id")
    messages: list[dict[str, Any]] = Field(sa_type=JSONB)
    answers: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    inclusion_probability: float | None = None
    stratum: str | None = None
    wanted_labels: int = 1
    expected: str | None = None
    category: str | None = None
    example_id: UUID | None = Field(default=None, foreign_key="example.id", index=True)
    outcome: str | None = Field(default=None, description="why a settled item became no example")
    claimed_by: str | None = None
    claimed_until: datetime | None = None
    created_at: datetime = Field(default_factory=now)
    closed_at: datetime | None = None


class ReviewLabel(ClientOwned, table=True):
    """What one labeller said. Taking it back keeps the row."""

    names_objects: ClassVar[bool] = False
    __tablename__ = "review_label"
    __table_args__ = (
        Index(
            "uq_review_label_labeller", "item_id", "labeller", unique=True, postgresql_where=text("undone_at is null")
        ),
    )

    item_id: UUID = Field(foreign_key="review_item.id", index=True)
    labeller: str
    expected: str
    category: str
    blind: bool = True
    seconds: float | None = None
    at: datetime = Field(default_factory=now)
    undone_at: datetime | None = None


class Document(ClientOwned, table=True):
    """Product documentation or an SOP from which examples were proposed."""

    __table_args__ = (UniqueConstraint("model_id", "sha256"),)

    model_id: UUID = Field(foreign_key="registered_model.id")
    title: str
    text: str
    sha256: str
    added_by: str
    added_at: datetime = Field(default_factory=now)


class FindingKind(StrEnum):
    CONFLICT = "conflict"
    SUSPECTED_ERROR = "suspected_error"
    DUPLICATE = "duplicate"
    PERSONAL_DATA = "personal_data"


class FindingState(StrEnum):
    OPEN = "open"
    FIXED = "fixed"
    DISMISSED = "dismissed"


class DataFinding(ClientOwned, table=True):
    """Something suspicious about an example or an item, to be settled by a person before it may train."""

    __tablename__ = "data_finding"
    __table_args__ = (Index("ix_data_finding_open", "model_id", "state"),)

    model_id: UUID = Field(foreign_key="registered_model.id")
    example_id: UUID | None = Field(default=None, foreign_key="example.id", index=True)
    item_id: UUID | None = Field(default=None, foreign_key="review_item.id", index=True)
    kind: FindingKind = Field(sa_type=text_enum(FindingKind))
    state: FindingState = Field(default=FindingState.OPEN, sa_type=text_enum(FindingState))
    summary: str
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    found_at: datetime = Field(default_factory=now)
    settled_by: str | None = None
    settled_at: datetime | None = None


class ShareLink(SharedLink, table=True):
    __tablename__ = "share_link"

    model_id: UUID | None = Field(default=None, foreign_key="registered_model.id", index=True)
    purpose: str
    uses: int = 0
    used_at: datetime | None = None

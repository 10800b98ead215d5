"""Examples and the immutable snapshots made of them."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from tuneloop.kit.clock import now
from tuneloop.kit.columns import text_enum
from tuneloop.kit.tenancy import ClientOwned


class Pool(StrEnum):
    """What an example may be used for. Nothing is ever in two pools, nor a near-duplicate of it."""

    TRAINING = "training"
    GOLDEN = "golden"
    ROLLING = "rolling"


class Source(StrEnum):
    IMPORT = "import"
    CORRECTION = "correction"
    SAMPLED = "sampled"
    REVIEWED = "reviewed"
    DOCUMENT = "document"
    CLIENT_LINK = "client_link"


class Example(ClientOwned, table=True):
    """A labelled conversation. Deleting one leaves the row as a tombstone without its text."""

    names_objects: ClassVar[bool] = False
    __table_args__ = (
        Index(
            "uq_example_content", "model_id", "content_hash", unique=True, postgresql_where=text("deleted_at is null")
        ),
        Index("ix_example_pool", "model_id", "pool"),
        Index(
            "ix_example_unchecked",
            "model_id",
            postgresql_where=text("pool = 'training' and checked_at is null and deleted_at is null"),
        ),
    )

    model_id: UUID = Field(foreign_key="registered_model.id")
    pool: Pool = Field(sa_type=text_enum(Pool))
    messages: list[dict[str, str]] = Field(sa_type=JSONB)
    expected: str
    category: str
    source: Source = Field(sa_type=text_enum(Source))
    content_hash: str
    minhash: bytes = Field(sa_type=LargeBinary)
    prediction_id: UUID | None = Field(default=None, foreign_key="prediction.id", index=True)
    added_by: str | None = None
    added_at: datetime = Field(default_factory=now)
    retired_at: datetime | None = Field(default=None, description="when it left the rolling set for training")
    deleted_at: datetime | None = None
    checked_at: datetime | None = Field(default=None, description="when a scan saw it as it is now")


class Snapshot(ClientOwned, table=True):
    """A frozen list of examples, named by the digest of their content."""

    __table_args__ = (UniqueConstraint("model_id", "digest"),)

    model_id: UUID = Field(foreign_key="registered_model.id")
    pool: Pool = Field(sa_type=text_enum(Pool))
    digest: str
    size: int
    categories: dict[str, Any] = Field(sa_type=JSONB)
    created_at: datetime = Field(default_factory=now)


class SnapshotItem(ClientOwned, table=True):
    names_objects: ClassVar[bool] = False
    __tablename__ = "snapshot_item"
    __table_args__ = (UniqueConstraint("snapshot_id", "position"),)

    snapshot_id: UUID = Field(foreign_key="snapshot.id")
    example_id: UUID = Field(foreign_key="example.id", index=True)
    position: int


class Upload(ClientOwned, table=True):
    """A file that somebody looks at on the page before it is imported. `content` is compressed by zlib."""

    names_objects: ClassVar[bool] = False

    model_id: UUID = Field(foreign_key="registered_model.id")
    name: str
    size: int
    content: bytes = Field(sa_type=LargeBinary)
    added_by: str
    added_at: datetime = Field(default_factory=now)

"""What the API reads and writes about erasures."""

from datetime import datetime
from hashlib import sha256
from typing import Any, Self
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field

from tuneloop.tables import Erasure, ErasureKind, ErasureState


class ErasureCreate(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"kind": "text", "target": "ann@example.com", "client": "acme", "reason": "request of 3 March"}
            ]
        },
    )

    kind: ErasureKind = Field(description="text, answer, end_user or client")
    target: str | None = Field(
        default=None,
        max_length=20_000,
        description="the text or an identifier in it, a completion id, or the id in `user`; none for a whole client",
    )
    client: str | None = Field(default=None, description="slug; left out, all clients are looked through")
    reason: str = Field(min_length=3, max_length=500, description="why, without naming the person")
    keep: list[str] = Field(default_factory=list, description="of a whole client: versions, reports")


class ExportCreate(BaseModel):
    """As for an erasure."""

    model_config = ConfigDict(extra="forbid")

    kind: ErasureKind
    target: str | None = Field(default=None, max_length=20_000)
    client: str | None = None


class Learned(BaseModel):
    """A version that learned from what is erased; it keeps what it learned until a version without it replaces it."""

    model: str
    version: str
    production: bool


class ErasureRead(BaseModel):
    """A request and, once it is done, its receipt: what was erased by place, and no text.

    `target_sha256` is the digest of `id:target`. `receipt_sha256` is that of the receipt's other fields as JSON with
    sorted keys.
    """

    id: UUID
    kind: ErasureKind
    client_id: UUID | None
    state: ErasureState
    reason: str
    keep: list[str]
    target_sha256: str
    found: dict[str, int]
    erased: dict[str, int]
    versions: list[Learned]
    requested_by: str
    requested_at: datetime
    confirmed_by: str | None
    confirmed_at: datetime | None
    finished_at: datetime | None
    job_id: UUID | None
    receipt_sha256: str | None = None

    @classmethod
    def of(cls, row: Erasure) -> Self:
        values: dict[str, Any] = {name: getattr(row, name) for name in cls.model_fields if hasattr(row, name)}
        read = cls(**values, target_sha256=row.target_hash)
        if row.state is not ErasureState.DONE:
            return read
        said = orjson.dumps(read.model_dump(mode="json", exclude={"receipt_sha256"}), option=orjson.OPT_SORT_KEYS)
        return read.model_copy(update={"receipt_sha256": sha256(said).hexdigest()})

"""Requests to take text away for good, and what was done."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from tuneloop.kit.clock import now
from tuneloop.kit.columns import text_enum
from tuneloop.kit.tenancy import Tenant


class ErasureKind(StrEnum):
    """What names the text: words in it, the answer, who asked, or whose client it is."""

    TEXT = "text"
    ANSWER = "answer"
    END_USER = "end_user"
    CLIENT = "client"


class ErasureState(StrEnum):
    COUNTING = "counting"
    READY = "ready"
    ERASING = "erasing"
    DONE = "done"
    CANCELLED = "cancelled"


class Erasure(Tenant, table=True):
    """`target` is what to look for, and is cleared when that is done; `target_hash` of id and target stays.

    `found` is what the preview counted by place, `erased` what was done; `versions` are those that learned from it.
    `leftover` are files and jobs' folders that go once the rows are gone.
    """

    client_key: ClassVar[str | None] = "client_id"

    client_id: UUID | None = Field(default=None, foreign_key="client.id")
    kind: ErasureKind = Field(sa_type=text_enum(ErasureKind))
    state: ErasureState = Field(default=ErasureState.COUNTING, sa_type=text_enum(ErasureState))
    target: str | None = None
    target_hash: str
    reason: str
    keep: list[str] = Field(default_factory=list, sa_type=JSONB)
    found: dict[str, int] = Field(default_factory=dict, sa_type=JSONB)
    erased: dict[str, int] = Field(default_factory=dict, sa_type=JSONB)
    versions: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)
    leftover: dict[str, list[str]] = Field(default_factory=dict, sa_type=JSONB)
    requested_by: str
    requested_at: datetime = Field(default_factory=now)
    confirmed_by: str | None = None
    confirmed_at: datetime | None = None
    finished_at: datetime | None = None
    job_id: UUID | None = None

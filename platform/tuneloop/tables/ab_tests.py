"""A/B tests: a part of production's traffic is answered by a candidate."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from tuneloop.kit.clock import now
from tuneloop.kit.columns import text_enum
from tuneloop.kit.tenancy import ClientOwned


class AbState(StrEnum):
    """How it ended: the candidate went into production, was turned down, or neither was decided."""

    STARTING = "starting"
    RUNNING = "running"
    PROMOTED = "promoted"
    KEPT = "kept"
    STOPPED = "stopped"
    EXPIRED = "expired"


class AbTest(ClientOwned, table=True):
    """`share` of the people is the candidate's. `labels` are wanted an arm; `reading` is what was last found."""

    __tablename__ = "ab_test"
    __table_args__ = (
        Index(
            "uq_ab_test_live",
            "model_id",
            unique=True,
            postgresql_where=text("state in ('starting', 'running')"),
        ),
    )

    model_id: UUID = Field(foreign_key="registered_model.id")
    cycle_id: UUID = Field(foreign_key="retraining_cycle.id", index=True)
    production_version_id: UUID = Field(foreign_key="adapter_version.id")
    candidate_version_id: UUID = Field(foreign_key="adapter_version.id")
    state: AbState = Field(default=AbState.STARTING, sa_type=text_enum(AbState))
    share: float
    days: int
    labels: int
    started_by: str
    started_from: str
    created_at: datetime = Field(default_factory=now)
    began_at: datetime | None = None
    ends_at: datetime | None = None
    ended_at: datetime | None = None
    ended_by: str | None = None
    reason: str | None = None
    reading: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True), nullable=True)
    read_at: datetime | None = None

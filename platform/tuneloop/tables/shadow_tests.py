"""Shadow tests: a candidate answers questions that production has answered, and nobody sees what it says."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from tuneloop.kit.clock import now
from tuneloop.kit.columns import text_enum
from tuneloop.kit.tenancy import ClientOwned


class ShadowState(StrEnum):
    """How it ended: at its date or budget, or somebody or something stopped it before."""

    STARTING = "starting"
    RUNNING = "running"
    OVER = "over"
    STOPPED = "stopped"


class ShadowTest(ClientOwned, table=True):
    """`share` of production's questions is put to the candidate too, `answers` at most, spread over the `days`.

    `asked` counts what was put to it. People are asked for up to `labels` where the two differ.
    """

    __tablename__ = "shadow_test"
    __table_args__ = (
        Index(
            "uq_shadow_test_live",
            "model_id",
            unique=True,
            postgresql_where=text("state in ('starting', 'running')"),
        ),
    )

    model_id: UUID = Field(foreign_key="registered_model.id")
    cycle_id: UUID = Field(foreign_key="retraining_cycle.id", index=True)
    production_version_id: UUID = Field(foreign_key="adapter_version.id")
    candidate_version_id: UUID = Field(foreign_key="adapter_version.id")
    state: ShadowState = Field(default=ShadowState.STARTING, sa_type=text_enum(ShadowState))
    share: float
    answers: int
    days: int
    labels: int
    asked: int = 0
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


class ShadowAnswer(ClientOwned, table=True):
    """What the candidate says to a question that production has answered; it goes with that answer.

    `answer` is None where it gave none, and `problem` says why. `same`: whether both say the same, None until read.
    """

    names_objects: ClassVar[bool] = False
    __tablename__ = "shadow_answer"

    shadow_test_id: UUID = Field(foreign_key="shadow_test.id", index=True)
    prediction_id: UUID = Field(foreign_key="prediction.id", unique=True)
    answer: str | None = None
    problem: str = ""
    confidence: float | None = None
    latency_ms: float = 0.0
    same: bool | None = None
    at: datetime = Field(default_factory=now)

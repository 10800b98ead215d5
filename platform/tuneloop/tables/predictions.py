"""The production log and what people said about its answers."""

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


class Arm(StrEnum):
    PRODUCTION = "production"
    CANDIDATE = "candidate"


class Prediction(ClientOwned, table=True):
    """One answer of the gateway; its id is the completion id. `arm` is that of the A/B test it was given in.

    `imported_from` names the log that an answer given elsewhere was read from; it is measured, and never billed.
    """

    names_objects: ClassVar[bool] = False
    __table_args__ = (
        Index("ix_prediction_model_at", "model_id", "at"),
        Index("ix_prediction_ab_test", "ab_test_id", "arm", postgresql_where=text("ab_test_id is not null")),
    )

    model_id: UUID = Field(foreign_key="registered_model.id")
    version_id: UUID = Field(foreign_key="adapter_version.id")
    digest: str
    at: datetime = Field(default_factory=now)
    messages: list[dict[str, Any]] = Field(sa_type=JSONB)
    answer: str
    confidence: float | None = None
    margin: float | None = None
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    latency_ms: float = 0.0
    end_user: str | None = None
    ab_test_id: UUID | None = Field(default=None, foreign_key="ab_test.id")
    arm: Arm | None = Field(default=None, sa_type=text_enum(Arm))
    imported_from: str | None = None


class FeedbackKind(StrEnum):
    RATING = "rating"
    ERROR = "error"
    CORRECTION = "correction"


class FeedbackState(StrEnum):
    """Corrections wait for a person before they may train."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DISMISSED = "dismissed"


class Feedback(ClientOwned, table=True):
    """One reporter says each kind of thing about an answer at most once."""

    names_objects: ClassVar[bool] = False
    __table_args__ = (
        Index("ix_feedback_model_at", "model_id", "at"),
        UniqueConstraint("prediction_id", "kind", "reporter", postgresql_nulls_not_distinct=True),
    )

    model_id: UUID = Field(foreign_key="registered_model.id")
    prediction_id: UUID = Field(foreign_key="prediction.id", index=True)
    kind: FeedbackKind = Field(sa_type=text_enum(FeedbackKind))
    rating: int | None = None
    correction: str | None = None
    comment: str | None = None
    reporter: str | None = None
    at: datetime = Field(default_factory=now)
    state: FeedbackState = Field(default=FeedbackState.OPEN, sa_type=text_enum(FeedbackState))

"""What the endpoints of predictions and feedback read and write."""

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tuneloop.kit.clean_text import CleanText
from tuneloop.predictions.completion_ids import completion_id
from tuneloop.tables import Feedback, FeedbackKind, FeedbackState, Pool, Prediction


class FeedbackCreate(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"id": "chatcmpl-0198c0ffee007000800000000000abcd", "kind": "correction", "correction": "order_status"}
            ]
        },
    )

    id: str = Field(max_length=64, description="id of the completion")
    kind: FeedbackKind
    rating: int | None = Field(default=None, ge=1, le=5, description="1 (useless) to 5 (perfect); thumbs are 1 and 5")
    correction: CleanText | None = Field(default=None, min_length=1, max_length=20_000, description="the right answer")
    comment: CleanText | None = Field(default=None, max_length=4_000)
    reporter: CleanText | None = Field(default=None, max_length=200, description="your id of the person who reports")

    @model_validator(mode="after")
    def says_what_its_kind_promises(self) -> Self:
        if (self.kind is FeedbackKind.RATING) != (self.rating is not None):
            raise ValueError("rating belongs to kind 'rating', and is needed there")
        if (self.kind is FeedbackKind.CORRECTION) != (self.correction is not None):
            raise ValueError("correction belongs to kind 'correction', and is needed there")
        return self


class FeedbackRead(BaseModel):
    id: UUID
    completion: str
    kind: FeedbackKind
    rating: int | None
    correction: str | None
    comment: str | None
    reporter: str | None
    at: datetime
    state: FeedbackState

    @classmethod
    def of(cls, row: Feedback) -> Self:
        return cls(
            id=row.id,
            completion=completion_id(row.prediction_id),
            kind=row.kind,
            rating=row.rating,
            correction=row.correction,
            comment=row.comment,
            reporter=row.reporter,
            at=row.at,
            state=row.state,
        )


class PredictionRead(BaseModel):
    """`confidence` and `margin` in 0..1, of this one answer; null where nobody measured them.

    `imported_from` names the log of an answer that was given elsewhere.
    """

    id: str
    version_id: UUID
    digest: str
    at: datetime
    messages: list[dict[str, Any]]
    answer: str
    confidence: float | None
    margin: float | None
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    latency_ms: float
    end_user: str | None
    imported_from: str | None

    @classmethod
    def of(cls, row: Prediction) -> Self:
        return cls(id=completion_id(row.id), **row.model_dump(include=set(cls.model_fields) - {"id"}))


class PredictionPage(BaseModel):
    """Newest first; pass `next` as `before` for the page after this one."""

    items: list[PredictionRead]
    next: str | None


class ReportedRead(BaseModel):
    """Feedback beside the answer it is about."""

    feedback: FeedbackRead
    prediction: PredictionRead


class ReportedPage(BaseModel):
    """Newest first; pass `next` as `before` for the page after this one."""

    items: list[ReportedRead]
    next: UUID | None


class Acceptance(BaseModel):
    model_config = ConfigDict(extra="forbid")

    pool: Pool = Pool.TRAINING


class BulkAcceptance(Acceptance):
    ids: list[UUID] = Field(min_length=1, max_length=1_000)


class AcceptedRead(BaseModel):
    """`pool` is where the example is: in the rolling set where a label of the random sample said the same before."""

    feedback_id: UUID
    example_id: UUID
    pool: Pool


class RefusedRead(BaseModel):
    feedback_id: UUID
    reason: str


class BulkAccepted(BaseModel):
    accepted: list[AcceptedRead]
    refused: list[RefusedRead]

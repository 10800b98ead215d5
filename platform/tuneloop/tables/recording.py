"""What an external version has answered, kept so that a candidate can be compared with it after its service is gone."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, Index, text
from sqlmodel import Field

from tuneloop.kit.clock import now
from tuneloop.kit.tenancy import ClientOwned


class Recording(ClientOwned, table=True):
    """One run of it: somebody saw what it would cost, and allowed so many `requests`.

    `most_cost`: millionths of the currency's unit that they cost at most, None where nobody typed the prices.
    `job_id`: the latest job that asks; it outlives its row.
    `problem`: why it ended before all was answered, in words for the operators.
    """

    __table_args__ = (Index("uq_recording_live", "version_id", unique=True, postgresql_where=text("ended_at is null")),)

    model_id: UUID = Field(foreign_key="registered_model.id", index=True)
    version_id: UUID = Field(foreign_key="adapter_version.id")
    job_id: UUID | None = None
    requests: int
    most_cost: int | None = Field(default=None, sa_type=BigInteger)
    currency: str
    started_by: str
    started_at: datetime = Field(default_factory=now)
    ended_at: datetime | None = None
    problem: str | None = None


class RecordedAnswer(ClientOwned, table=True):
    """The answer to a golden example, or to a question of traffic; `cache_key` is that of the conversation.

    `answer` is None while it is still to be asked. `asked`: the recording put it to the service; else it was in the
    log, or in an evaluation. `problem`: why the service gave no answer. Tokens are those that the service counted.
    """

    names_objects: ClassVar[bool] = False
    __tablename__ = "recorded_answer"
    __table_args__ = (Index("ix_recorded_answer_key", "version_id", "cache_key"),)

    version_id: UUID = Field(foreign_key="adapter_version.id")
    recording_id: UUID = Field(foreign_key="recording.id", index=True)
    example_id: UUID | None = Field(default=None, foreign_key="example.id", index=True)
    prediction_id: UUID | None = Field(default=None, foreign_key="prediction.id", index=True)
    cache_key: str
    asked: bool = False
    answer: str | None = None
    confidence: float | None = None
    margin: float | None = None
    problem: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    answered_at: datetime | None = None

"""What the endpoints of imported answers write."""

from datetime import datetime

from pydantic import BaseModel, Field

from tuneloop.datasets.logs.logged import LogSource
from tuneloop.datasets.schemas import ProblemRead


class AnswersImported(BaseModel):
    """`problems` are the first 20 of the rejected rows."""

    source: LogSource
    version: str
    added: int
    known: int = Field(description="they were in the production log before")
    others: int = Field(description="rows that are no answers, such as failed requests")
    unsure: int = Field(description="of those added, without a confidence: nobody measured it")
    unwatched: int = Field(description="of those added, too old to be sampled: a reading has measured that time")
    rejected: int
    first: datetime | None
    last: datetime | None
    problems: list[ProblemRead]


class PartialSuccess(BaseModel):
    """As OTLP says it: https://opentelemetry.io/docs/specs/otlp/#partial-success-1."""

    rejectedSpans: int = 0  # noqa: N815 - OTLP's name
    errorMessage: str = ""  # noqa: N815


class TracesTaken(BaseModel):
    partialSuccess: PartialSuccess  # noqa: N815

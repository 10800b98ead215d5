"""What the API reads and writes about a migration."""

from datetime import date, datetime
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field


class RecordingWanted(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"requests": 340}]})

    requests: int = Field(ge=0, le=100_000, description="as the plan says; if it takes more by now, none is made")


class MigrationStepRead(BaseModel):
    """`address` is a page."""

    model_config = ConfigDict(from_attributes=True)

    key: str
    title: str
    says: str
    address: str
    done: bool
    optional: bool


class HostedRead(BaseModel):
    """`over`: the service answers no more, so what was recorded is all there is."""

    version: str
    service: str
    model: str
    ends_on: date | None
    days_left: int | None
    over: bool
    problem: str | None


class PlanRead(BaseModel):
    """What a recording would do now: `requests` to the service, which cost `at_most` (null without prices)."""

    golden: int
    traffic: int
    known: int
    requests: int
    at_most: Decimal | None
    currency: str


class RecordedRead(BaseModel):
    """Answers that are kept, of which `asked` were put to the service for it; `unanswered` it would not answer."""

    golden: int
    traffic: int
    asked: int
    waiting: int
    unanswered: int
    cost: Decimal | None
    currency: str


class RecordingRead(BaseModel):
    """One run. `problem`: why it ended early."""

    model_config = ConfigDict(from_attributes=True)

    requests: int
    started_by: str
    started_at: datetime
    ended_at: datetime | None
    problem: str | None


class SavingRead(BaseModel):
    """What as many answers as a month has cost at the service's prices, by those of the last `days`."""

    answers: int
    days: int
    per_month: Decimal
    currency: str


class MigrationRead(BaseModel):
    """`next`: the key of the step that comes next; null when all is done."""

    steps: list[MigrationStepRead]
    next: str | None
    hosted: HostedRead | None
    plan: PlanRead | None
    recorded: RecordedRead | None
    latest: RecordingRead | None
    saving: SavingRead | None

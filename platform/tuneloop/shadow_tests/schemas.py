"""What the API reads and writes about shadow tests."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from tuneloop.kit.figures import RateRead
from tuneloop.registry.contract import Sha256
from tuneloop.tables import ShadowState

SHARE, LEAST_SHARE, MOST_SHARE = 0.2, 0.01, 1.0
ANSWERS, MOST_ANSWERS = 500, 20_000
DAYS, MOST_DAYS = 7, 60
LABELS, MOST_LABELS = 30, 500


class ShadowTestCreate(BaseModel):
    """`digest` of the candidate; `share` of the questions that it gets too, `answers` at most, over the `days`."""

    model_config = ConfigDict(extra="forbid")

    digest: Sha256
    share: float = Field(default=SHARE, description="0.01 to 1")
    answers: int = ANSWERS
    days: int = DAYS
    labels: int = Field(default=LABELS, description="differences that people are asked about; 0 asks nobody")


class ShadowTestStop(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str | None = Field(default=None, max_length=2000)


class Latencies(TypedDict):
    """Medians in milliseconds, of the same questions."""

    production: float
    candidate: float


class LabelledDifferences(TypedDict):
    """Of `n` differences that people have labelled blind, who was right; "neither" counts both and none."""

    n: int
    candidate: int
    production: int
    neither: int


class ShadowReading(TypedDict):
    """`same`: how often both said the same. `failed`: the candidate gave no answer. `difference` in accuracy among the
    labelled differences, candidate minus production, with ends that hold however often one looks."""

    same: RateRead
    failed: int
    latency: Latencies | None
    labelled: LabelledDifferences
    low: float
    high: float


class ShadowTestRead(BaseModel):
    """`asked`: questions put to the candidate so far. `says` tells the reading in sentences."""

    id: UUID
    cycle_id: UUID
    model: str
    production: str
    candidate: str
    state: ShadowState
    share: float
    answers: int
    days: int
    labels: int
    asked: int
    started_by: str
    created_at: datetime
    began_at: datetime | None
    ends_at: datetime | None
    ended_at: datetime | None
    ended_by: str | None
    reason: str | None
    reading: ShadowReading | None
    read_at: datetime | None
    says: list[str]

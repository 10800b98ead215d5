"""The attempts of a cycle and their diagnoses as the endpoints read them."""

from datetime import datetime

from pydantic import BaseModel

from tuneloop.retraining.diagnosis.findings import (
    BlendResult,
    ConfusedPair,
    Failure,
    Loss,
    NextStep,
    StepKind,
    TrainingData,
)
from tuneloop.retraining.recipe import Recipe
from tuneloop.tables import (
    AttemptEnd,
)


class PairRead(ConfusedPair):
    """`questions` are the texts of its examples that exist still."""

    questions: tuple[str, ...] = ()


class DiagnosisRead(BaseModel):
    """`steps` are ranked; POST …/steps does one by its `key`."""

    ended: AttemptEnd
    version: str | None
    summary: str
    reasons: tuple[str, ...]
    losses: tuple[Loss, ...]
    pairs: tuple[PairRead, ...]
    data: TrainingData | None
    tried: tuple[BlendResult, ...]
    failure: Failure | None
    steps: tuple[NextStep, ...]
    made_at: datetime


class AttemptRead(BaseModel):
    """`what` says how its candidate came about, by which `step` of the diagnosis before; `seconds` are of compute."""

    number: int
    step: StepKind | None
    what: str
    recipe: Recipe
    candidate: str | None
    seconds: dict[str, float]
    ended: AttemptEnd | None
    started_at: datetime
    ended_at: datetime | None
    diagnosis: DiagnosisRead | None

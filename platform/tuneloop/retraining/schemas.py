"""What the cycle endpoints read and write."""

from datetime import datetime
from typing import Any, NotRequired
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from tuneloop.evaluation.schemas import ComparisonTable, Quantisations
from tuneloop.kit.clock import now
from tuneloop.kit.figures import DifferenceRead, RateRead
from tuneloop.registry.contract import Sha256
from tuneloop.registry.overrides import Override
from tuneloop.retraining.recipe import Recipe
from tuneloop.stats.outcome import Outcome
from tuneloop.tables import (
    ApprovalKind,
    CycleState,
    Decision,
    Trigger,
)


class CycleCreate(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"recipe": {"method": "continue"}}]})

    recipe: Recipe = Recipe()
    alert_id: UUID | None = None
    again: bool = Field(default=False, description="although the same plan has failed: another seed is taken then")


class StepCreate(BaseModel):
    """`step` is the key of one of the diagnosis's next steps."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"step": "label:refund"}]})

    step: str = Field(min_length=1, max_length=200)


class StepTaken(BaseModel):
    """Either `cycle`, which was proposed, or so many queries that were put into the review queue."""

    step: str
    done: str
    cycle: UUID | None
    queued: int


class DecisionCreate(BaseModel):
    """`digest` is that of the question: the plan of a retrain, or the candidate version."""

    model_config = ConfigDict(extra="forbid")

    digest: Sha256
    note: str | None = Field(default=None, max_length=2000)


class QuestionRead(BaseModel):
    """`approved_by` names those who have approved so far; the last one needed decides."""

    model_config = ConfigDict(from_attributes=True)

    kind: ApprovalKind
    attempt: int
    subject_digest: str
    requested_at: datetime
    expires_at: datetime
    decision: Decision | None
    decided_by: str | None
    decided_at: datetime | None
    decided_from: str | None
    note: str | None
    approvals_needed: int
    approved_by: list[str] = []
    four_eyes: bool

    @property
    def expired(self) -> bool:
        return self.decision is None and self.expires_at <= now()


class ComparisonRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    attempt: int
    look: int
    production_digest: str
    candidate_digest: str
    table: ComparisonTable
    outcome: str
    reasons: list[str]
    labels_needed: int | None
    created_at: datetime


class DevStratum(TypedDict):
    n: int
    correct: int
    score: float
    production: NotRequired["DevStratum | None"]


class DevScores(TypedDict, total=False):
    """By stratum, or why training failed."""

    strong: DevStratum
    target: DevStratum
    failure: str


class CandidateRead(BaseModel):
    """`dev` by stratum: n, right answers and mean score, with production's beside them; or why training failed."""

    model_config = ConfigDict(from_attributes=True)

    attempt: int
    method: str
    blend: float
    dev: DevScores
    chosen: bool


class Measured(BaseModel):
    """One thing that was measured. A first version stands alone: no `production`, so no `difference` either."""

    key: str
    title: str
    n: int
    production: RateRead | None = None
    candidate: RateRead
    difference: DifferenceRead | None = None
    fixed: int | None = None
    broken: int | None = None


class Evidence(BaseModel):
    """`rows` begins with the overall accuracy; of `categories` the one that the candidate is worst at comes first."""

    rows: list[Measured]
    categories: list[Measured]
    target: list[str] = []


class CycleRead(BaseModel):
    """What every edge shows of a cycle. `attempt` counts its candidates from 1; questions, comparison, evidence and
    candidate are of that one, `candidates` of all."""

    id: UUID
    attempt: int
    model: str
    state: CycleState
    trigger: Trigger
    alert_id: UUID | None
    parent: str | None
    candidate: str | None
    candidate_digest: str | None
    recipe: Recipe
    job_id: UUID | None
    failure: str | None
    questions: list[QuestionRead]
    candidates: list[CandidateRead]
    comparison: ComparisonRead | None
    evidence: Evidence | None
    override: Override | None
    quantisations: Quantisations | None
    created_at: datetime
    updated_at: datetime

    @property
    def attempts(self) -> int:
        """How many candidates the plan covers."""
        return 1 + self.recipe.further_attempts

    @property
    def retrain(self) -> QuestionRead | None:
        return self._newest(ApprovalKind.RETRAIN)

    @property
    def promotion(self) -> QuestionRead | None:
        """Each attempt asks its own; the newest."""
        return self._newest(ApprovalKind.PROMOTION)

    @property
    def open_question(self) -> QuestionRead | None:
        """What people are being asked now."""
        return next((each for each in reversed(self.questions) if each.decision is None), None)

    def _newest(self, kind: ApprovalKind) -> QuestionRead | None:
        return next((each for each in reversed(self.questions) if each.kind is kind), None)


class LookRead(BaseModel):
    """One look of the gate; `labels` are those of differing answers that it knew."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    at: datetime
    outcome: Outcome
    labels: int
    labels_needed: int | None


class GateItemRead(BaseModel):
    """A query that the two versions answer differently, and what people found right; None when it was skipped."""

    id: UUID
    question: str
    production: str
    candidate: str
    expected: str | None
    category: str | None


class GateRead(BaseModel):
    """`queries` is None where the golden set judges alone. `items` are settled, in that order."""

    queries: int | None
    disagreements: int | None
    labels: int
    open: int
    labels_used: int
    needed: int | None
    budget: int
    waits_for_labels: bool
    outcome: Outcome | None
    reasons: list[str]
    decision: dict[str, Any] | None
    looks: list[LookRead]
    items: list[GateItemRead]


class EvalRunRead(BaseModel):
    id: UUID
    version: str
    digest: str
    engine: str
    n: int
    reused: int
    seconds: float
    overall: RateRead
    hallucination: RateRead
    categories: dict[str, RateRead]
    groups: dict[str, RateRead]
    created_at: datetime


class EvalAnswerRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    example_id: UUID
    category: str
    expected: str
    answer: str
    correct: bool
    score: float
    hallucinated: bool
    detail: str
    confidence: float

"""What a diagnosis says, as it is stored. It holds ids of texts, never the texts: what is deleted must be gone."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from tuneloop.kit.figures import DifferenceRead, RateRead
from tuneloop.registry.contract import Frozen
from tuneloop.tables import AttemptEnd

FORMAT = 1


class Loss(Frozen):
    """A category of the golden set in which the candidate broke more than it fixed; rates with n and interval."""

    category: str
    n: int
    production: RateRead
    candidate: RateRead
    difference: DifferenceRead
    fixed: int
    broken: int

    @property
    def proven(self) -> bool:
        return bool(self.difference["high"] < 0)


class ConfusedPair(Frozen):
    """What should have been `category` and was answered `wrong`, by production and by the candidate.

    Of `n` golden items of the category, and among the labelled disagreements of traffic. `wrong` is empty where answers
    are free text. `examples` are golden, `items` of the review queue.
    """

    category: str
    wrong: str
    n: int
    before: int
    after: int
    traffic_before: int
    traffic_after: int
    examples: tuple[UUID, ...]
    items: tuple[UUID, ...]


class CategoryData(Frozen):
    """Training data of a category; the shares are those of training examples, of what the batches held, of traffic.

    `conflicts` and `suspected` are examples that a check keeps out of training until somebody has looked at them.
    """

    category: str
    examples: int
    new: int
    conflicts: int
    suspected: int
    in_batches: float
    in_traffic: float | None


class TrafficBy(StrEnum):
    """Where the mix of traffic is known from, the surest first."""

    LABELS = "labels"
    CANDIDATE = "candidate"
    PRODUCTION = "production"


class TrainingData(Frozen):
    """`distance` is the share of the batches that would have to change category to be as traffic is (total variation).

    `traffic` answers tell the mix of traffic.
    """

    examples: int
    new: int
    categories: tuple[CategoryData, ...]
    distance: float | None
    traffic: int
    traffic_by: TrafficBy | None


class BlendResult(Frozen):
    """What the dev split said of one thing that was tried: of each stratum n, right answers, and production's."""

    method: str
    blend: float
    chosen: bool
    strong: dict[str, Any] | None
    target: dict[str, Any] | None


class Failure(Frozen):
    """`stage` is what the step was doing when it failed."""

    step: str
    stage: str
    reason: str


class StepKind(StrEnum):
    """The first three make another candidate; LABEL, CLEAN and GOLDEN better data; KEEP leaves production alone."""

    BLEND = "blend"
    RETRAIN = "retrain"
    ALL_LAYERS = "all_layers"
    LABEL = "label"
    CLEAN = "clean"
    GOLDEN = "golden"
    KEEP = "keep"


class NextStep(Frozen):
    """Something that could be done next.

    `minutes` are of compute, by the last run's time; None where none was measured. `expected` says what it should
    bring, `because` from which measurement that follows. `helps`: it may run automatically within an approved plan.
    """

    key: str
    kind: StepKind
    title: str
    minutes: float | None = None
    labels: int | None = None
    expected: str
    because: str
    helps: bool = False
    recipe: dict[str, Any] | None = None
    changes: tuple[str, ...] = ()
    candidate_id: UUID | None = None
    category: str | None = None
    wrong: tuple[str, ...] = ()


class Diagnosis(Frozen):
    """Of one attempt. `steps` are ranked, the most promising first."""

    format: int = FORMAT
    ended: AttemptEnd
    version: str | None
    summary: str
    reasons: tuple[str, ...]
    losses: tuple[Loss, ...]
    pairs: tuple[ConfusedPair, ...]
    data: TrainingData | None
    tried: tuple[BlendResult, ...]
    failure: Failure | None
    steps: tuple[NextStep, ...]
    made_at: datetime

    def step(self, key: str) -> NextStep | None:
        return next((each for each in self.steps if each.key == key), None)

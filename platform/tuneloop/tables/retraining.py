"""One cycle of one model is one row; transitions and approvals hang off it."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from tuneloop.kit.clock import now
from tuneloop.kit.columns import text_enum
from tuneloop.kit.tenancy import ClientOwned


class CycleState(StrEnum):
    PROPOSED = "proposed"
    APPROVED = "approved"
    TRAINING = "training"
    EVALUATING = "evaluating"
    COMPARED = "compared"
    AWAITING_PROMOTION = "awaiting_promotion"
    DEPLOYED = "deployed"
    REJECTED = "rejected"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"


class Trigger(StrEnum):
    INITIAL = "initial"
    ALERT = "alert"
    SCHEDULE = "schedule"
    MANUAL = "manual"
    IMPORT = "import"


class RetrainingCycle(ClientOwned, table=True):
    """`recipe` is the approved plan's; `attempt` counts the candidates that the cycle has tried, from 1."""

    __tablename__ = "retraining_cycle"
    __table_args__ = (
        Index(
            "uq_retraining_cycle_live",
            "model_id",
            unique=True,
            postgresql_where=text("state not in ('deployed', 'rejected', 'failed', 'rolled_back')"),
        ),
    )

    model_id: UUID = Field(foreign_key="registered_model.id", index=True)
    state: CycleState = Field(default=CycleState.PROPOSED, sa_type=text_enum(CycleState))
    trigger: Trigger = Field(sa_type=text_enum(Trigger))
    alert_id: UUID | None = Field(default=None, foreign_key="alert.id")
    parent_version_id: UUID | None = Field(default=None, foreign_key="adapter_version.id")
    candidate_version_id: UUID | None = Field(default=None, foreign_key="adapter_version.id")
    training_snapshot_id: UUID | None = Field(default=None, foreign_key="snapshot.id")
    golden_snapshot_id: UUID | None = Field(default=None, foreign_key="snapshot.id")
    recipe: dict[str, Any] = Field(sa_type=JSONB)
    attempt: int = 1
    job_id: UUID | None = Field(default=None, foreign_key="job.id")
    quantisations: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True), nullable=True)
    failure: str | None = None
    created_at: datetime = Field(default_factory=now)
    updated_at: datetime = Field(default_factory=now)


class AttemptEnd(StrEnum):
    """How an attempt ended that was not promoted: a harm was proven, labels could prove nothing, or a step failed."""

    REJECTED = "rejected"
    UNDECIDED = "undecided"
    FAILED = "failed"


class CycleAttempt(ClientOwned, table=True):
    """One candidate of a cycle: what it is made of and, once it was turned down, why (`retraining.diagnosis`).

    It trains by `recipe` or, with `source_id`, is a blend that an earlier attempt trained. `seconds` by step are those
    of its last run.
    """

    __tablename__ = "cycle_attempt"
    __table_args__ = (UniqueConstraint("cycle_id", "number"),)

    cycle_id: UUID = Field(foreign_key="retraining_cycle.id")
    number: int
    recipe: dict[str, Any] = Field(sa_type=JSONB)
    source_id: UUID | None = Field(default=None, foreign_key="candidate.id")
    candidate_version_id: UUID | None = Field(default=None, foreign_key="adapter_version.id")
    seconds: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    ended: AttemptEnd | None = Field(default=None, sa_type=text_enum(AttemptEnd))
    ended_at: datetime | None = None
    diagnosis: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True), nullable=True)
    started_at: datetime = Field(default_factory=now)


class ApprovalKind(StrEnum):
    RETRAIN = "retrain"
    PROMOTION = "promotion"


class Decision(StrEnum):
    APPROVED = "approved"
    REJECTED = "rejected"


class Approval(ClientOwned, table=True):
    """A question put to the operators, bound to the exact digest it is about, answered at most once.

    `requested_by` names the person behind it (see `ApprovalVote.voter`); with `four_eyes` they cannot approve. Keys
    that belong to nobody can with `service_keys`.
    """

    __table_args__ = (Index("uq_approval_cycle_kind", "cycle_id", "kind", "attempt", unique=True),)

    cycle_id: UUID = Field(foreign_key="retraining_cycle.id")
    kind: ApprovalKind = Field(sa_type=text_enum(ApprovalKind))
    attempt: int = 1
    subject_digest: str
    requested_at: datetime = Field(default_factory=now)
    expires_at: datetime
    decision: Decision | None = Field(default=None, sa_type=text_enum(Decision))
    decided_by: str | None = None
    decided_at: datetime | None = None
    decided_from: str | None = None
    note: str | None = None
    approvals_needed: int = 1
    four_eyes: bool = False
    service_keys: bool = False
    requested_by: str | None = None
    reminded_at: datetime | None = None
    escalated_at: datetime | None = None


class ApprovalVote(ClientOwned, table=True):
    """What one person said to a question. `voter` is the same for a person and for their API keys."""

    __tablename__ = "approval_vote"
    __table_args__ = (UniqueConstraint("approval_id", "voter"),)

    approval_id: UUID = Field(foreign_key="approval.id")
    voter: str
    name: str
    decision: Decision = Field(sa_type=text_enum(Decision))
    origin: str
    note: str | None = None
    at: datetime = Field(default_factory=now)


class Candidate(ClientOwned, table=True):
    """One of the adapters, or blends of them, that an attempt tried on its dev split; the chosen one goes to the gate.

    `parts` are its adapters in the object store, as a version's: a later attempt can release it without training.
    """

    __table_args__ = (UniqueConstraint("cycle_id", "attempt", "method", "blend"),)

    cycle_id: UUID = Field(foreign_key="retraining_cycle.id")
    attempt: int = 1
    method: str
    blend: float
    dev: dict[str, Any] = Field(sa_type=JSONB)
    parts: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSONB)
    chosen: bool = False
    created_at: datetime = Field(default_factory=now)


class DisagreementRun(ClientOwned, table=True):
    """Production and candidate on the same unlabelled production queries. Only the answers that differ need labels.

    `agreed` counts the equal answers by category (the answer itself where the task is to classify).
    """

    __tablename__ = "disagreement_run"
    __table_args__ = (UniqueConstraint("cycle_id", "attempt"),)

    cycle_id: UUID = Field(foreign_key="retraining_cycle.id")
    attempt: int = 1
    production_digest: str
    candidate_digest: str
    queries: int
    disagreements: int
    agreed: dict[str, Any] = Field(sa_type=JSONB)
    created_at: datetime = Field(default_factory=now)


class GateLook(ClientOwned, table=True):
    """A golden example was looked at by the gate of a cycle: looked at too often, it no longer measures."""

    __tablename__ = "gate_look"
    __table_args__ = (UniqueConstraint("cycle_id", "example_id"),)

    model_id: UUID = Field(foreign_key="registered_model.id", index=True)
    cycle_id: UUID = Field(foreign_key="retraining_cycle.id")
    example_id: UUID = Field(foreign_key="example.id", index=True)
    at: datetime = Field(default_factory=now)

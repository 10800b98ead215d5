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


class RetrainingCycle(ClientOwned, table=True):
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
    job_id: UUID | None = Field(default=None, foreign_key="job.id")
    quantisations: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True), nullable=True)
    failure: str | None = None
    created_at: datetime = Field(default_factory=now)
    updated_at: datetime = Field(default_factory=now)


class ApprovalKind(StrEnum):
    RETRAIN = "retrain"
    PROMOTION = "promotion"


class Decision(StrEnum):
    APPROVED = "approved"
    REJECTED = "rejected"


class Approval(ClientOwned, table=True):
    """A question put to the operators, bound to the exact digest it is about, answered at most once.

    `requested_by` names the person behind it (see `ApprovalVote.voter`); with `four_eyes` they cannot approve.
    """

    __table_args__ = (Index("uq_approval_cycle_kind", "cycle_id", "kind", unique=True),)

    cycle_id: UUID = Field(foreign_key="retraining_cycle.id")
    kind: ApprovalKind = Field(sa_type=text_enum(ApprovalKind))
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
    """One of the adapters, or blends of them, that a cycle tried on its dev split; at most one goes to the gate."""

    __table_args__ = (UniqueConstraint("cycle_id", "method", "blend"),)

    cycle_id: UUID = Field(foreign_key="retraining_cycle.id")
    method: str
    blend: float
    dev: dict[str, Any] = Field(sa_type=JSONB)
    chosen: bool = False
    created_at: datetime = Field(default_factory=now)


class DisagreementRun(ClientOwned, table=True):
    """Production and candidate on the same unlabelled production queries. Only the answers that differ need labels.

    `agreed` counts the equal answers by category (the answer itself where the task is to classify).
    """

    __tablename__ = "disagreement_run"
    __table_args__ = (UniqueConstraint("cycle_id"),)

    cycle_id: UUID = Field(foreign_key="retraining_cycle.id")
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

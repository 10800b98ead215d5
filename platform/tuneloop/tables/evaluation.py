"""What a version answered on a frozen set of examples, and how two versions compare."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from tuneloop.kit.clock import now
from tuneloop.kit.tenancy import ClientOwned


class EvalRun(ClientOwned, table=True):
    """Written once, when the evaluation is complete."""

    __tablename__ = "eval_run"

    model_id: UUID = Field(foreign_key="registered_model.id", index=True)
    version_id: UUID = Field(foreign_key="adapter_version.id")
    snapshot_id: UUID = Field(foreign_key="snapshot.id")
    digest: str
    engine: str
    correct: int
    hallucinated: int
    n: int
    reused: int
    categories: dict[str, Any] = Field(sa_type=JSONB)
    seconds: float
    created_at: datetime = Field(default_factory=now)


class EvalAnswer(ClientOwned, table=True):
    """One item of an eval run; `cache_key` lets an unchanged version skip an unchanged item."""

    names_objects: ClassVar[bool] = False
    __tablename__ = "eval_answer"
    __table_args__ = (Index("ix_eval_answer_cache_key", "cache_key"),)

    run_id: UUID = Field(foreign_key="eval_run.id", index=True)
    example_id: UUID = Field(foreign_key="example.id", index=True)
    position: int
    category: str
    expected: str
    answer: str
    correct: bool
    score: float
    hallucinated: bool
    detail: str = ""
    confidence: float | None
    margin: float | None = None
    cache_key: str


class Comparison(ClientOwned, table=True):
    """Production and an attempt's candidate on the same items, and the verdict: one row a look, the latest counts."""

    __table_args__ = (UniqueConstraint("cycle_id", "attempt", "look"),)

    cycle_id: UUID = Field(foreign_key="retraining_cycle.id", index=True)
    attempt: int = 1
    look: int = 1
    production_run_id: UUID = Field(foreign_key="eval_run.id")
    candidate_run_id: UUID = Field(foreign_key="eval_run.id")
    production_digest: str
    candidate_digest: str
    table: dict[str, Any] = Field(sa_type=JSONB)
    outcome: str
    reasons: list[str] = Field(sa_type=JSONB)
    labels_needed: int | None = None
    created_at: datetime = Field(default_factory=now)

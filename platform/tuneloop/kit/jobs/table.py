"""The job row: state, lease, fencing token, attempts counted at claim."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from tuneloop.kit.clock import now
from tuneloop.kit.columns import text_enum
from tuneloop.kit.jobs.job import Job
from tuneloop.kit.tenancy import Row, Tenant


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobRow(Tenant, table=True):
    __tablename__ = "job"
    __table_args__ = (
        Index("ix_job_queued", "queue", "agency_id", "run_after", postgresql_where=text("state = 'queued'")),
        Index("ix_job_started", "queue", "agency_id", "started_at", postgresql_where=text("started_at is not null")),
        Index("ix_job_leased", "lease_until", postgresql_where=text("state = 'running'")),
        Index(
            "uq_job_dedupe_key",
            "dedupe_key",
            unique=True,
            postgresql_where=text("dedupe_key is not null and state in ('queued', 'running')"),
        ),
    )

    client_key: ClassVar[str | None] = "client_id"
    names_objects_while: ClassVar[str] = "state in ('queued', 'running')"

    client_id: UUID | None = Field(default=None, foreign_key="client.id")
    name: str
    queue: str
    args: dict[str, Any] = Field(sa_type=JSONB)
    dedupe_key: str | None = None
    state: JobState = Field(default=JobState.QUEUED, sa_type=text_enum(JobState))
    attempts: int = 0
    max_attempts: int
    fencing_token: int = 0
    worker: str | None = None
    setbacks: int = 0
    give_up_at: datetime | None = None
    run_after: datetime = Field(default_factory=now)
    notified_at: datetime | None = None  # of the release before; to be dropped with the next schema
    lease_until: datetime | None = None
    cancel_requested: bool = False
    progress: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    error: str | None = None
    created_at: datetime = Field(default_factory=now)
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def title(self) -> str:
        return Job.title_of(self.name)

    @property
    def next_try_at(self) -> datetime | None:
        """When a job that has failed before is tried again."""
        return self.run_after if self.state is JobState.QUEUED and self.error else None


class JobHold(Row, table=True):
    """While it isn't released, workers aren't notified of jobs whose name matches the regular expression `jobs`."""

    __tablename__ = "job_hold"

    jobs: str
    reason: str
    held_at: datetime = Field(default_factory=now)
    released_at: datetime | None = None

"""A cycle as it moves: what a page hears while a step runs."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlmodel import Session

from tuneloop.kit.errors import NotFound
from tuneloop.kit.jobs import JobRow, JobState
from tuneloop.tables import CycleState, RetrainingCycle

AT_WORK = frozenset({CycleState.APPROVED, CycleState.TRAINING, CycleState.EVALUATING, CycleState.COMPARED})
BUSY = frozenset({JobState.QUEUED, JobState.RUNNING})


@dataclass(frozen=True)
class Moment:
    """`progress` of the step that runs: its stage, step of steps, loss, and `losses` as [step, loss] so far."""

    state: CycleState
    job: str | None
    job_state: JobState | None
    attempt: int
    progress: dict[str, Any]
    failure: str | None
    over: bool

    def row(self) -> dict[str, Any]:
        return vars(self)


def moment_of(session: Session, cycle_id: UUID) -> Moment:
    """How far the cycle is now; `over` when it waits for people or has ended, and nothing runs."""
    cycle = session.get(RetrainingCycle, cycle_id, populate_existing=True)
    if cycle is None:
        raise NotFound("cycle", cycle_id)
    job = session.get(JobRow, cycle.job_id, populate_existing=True) if cycle.job_id else None
    busy = job is not None and job.state in BUSY and cycle.state is not CycleState.PROPOSED
    return Moment(
        state=cycle.state,
        job=job.name if job else None,
        job_state=JobState(job.state) if job else None,
        attempt=job.attempts if job else 0,
        progress=dict(job.progress) if job else {},
        failure=cycle.failure,
        over=cycle.state not in AT_WORK and not busy,
    )

"""The attempts of a cycle: each has a candidate of its own, and its own looks, questions and gate items."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from tuneloop.tables import (
    Approval,
    Candidate,
    Comparison,
    CycleAttempt,
    DisagreementRun,
    RetrainingCycle,
    ReviewItem,
)

OfAttempt = type[Approval] | type[Candidate] | type[Comparison] | type[DisagreementRun] | type[ReviewItem]


def of_attempt(table: OfAttempt, number: int | None = None) -> ColumnElement[bool]:
    """Condition: a row belongs to this attempt of its cycle, to the one that the cycle is at unless one is named."""
    if number is not None:
        return col(table.attempt) == number
    current = select(RetrainingCycle.attempt).where(RetrainingCycle.id == table.cycle_id)
    return col(table.attempt) == current.scalar_subquery()


def attempt_of(session: Session, cycle: RetrainingCycle) -> CycleAttempt:
    """The one that the cycle is at; the first is what its plan says, and gets its row when it is first asked for."""
    query = select(CycleAttempt).where(CycleAttempt.cycle_id == cycle.id, CycleAttempt.number == cycle.attempt)
    found = session.exec(query).one_or_none()
    if found is None:
        found = CycleAttempt(
            client_id=cycle.client_id,
            cycle_id=cycle.id,
            number=cycle.attempt,
            recipe=cycle.recipe,
            started_at=cycle.created_at,
        )
        session.add(found)
        session.flush()
    return found


def attempts_of(session: Session, cycle_id: UUID) -> list[CycleAttempt]:
    """First to last."""
    query = select(CycleAttempt).where(CycleAttempt.cycle_id == cycle_id)
    return list(session.exec(query.order_by(col(CycleAttempt.number))))


def note_seconds(session: Session, cycle: RetrainingCycle, **seconds: float) -> None:
    """Remember how long steps of the present attempt took: what a further one may cost is measured by them."""
    attempt = attempt_of(session, cycle)
    found: dict[str, Any] = {name: round(value, 1) for name, value in seconds.items()}
    attempt.seconds = attempt.seconds | found
    session.add(attempt)


def comparison_of(session: Session, cycle_id: UUID, attempt: int | None = None) -> Comparison | None:
    """The latest look at the candidate of an attempt, of the one that the cycle is at unless another is named."""
    query = select(Comparison).where(Comparison.cycle_id == cycle_id, of_attempt(Comparison, attempt))
    return session.exec(query.order_by(col(Comparison.look).desc()).limit(1)).one_or_none()


def candidates_of(session: Session, cycle_id: UUID) -> list[Candidate]:
    """Everything that was tried, attempt by attempt, in the order of methods and shares of the blend."""
    query = select(Candidate).where(Candidate.cycle_id == cycle_id)
    return list(session.exec(query.order_by(col(Candidate.attempt), col(Candidate.method), col(Candidate.blend))))

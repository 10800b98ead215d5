"""Which message is about which candidate: each attempt of a cycle has one of its own, so that its question is heard."""

from typing import NamedTuple
from uuid import UUID

from sqlmodel import Session

from tuneloop.retraining.attempts import attempt_of, attempts_of
from tuneloop.tables import CycleAttempt, RetrainingCycle


class Attempt(NamedTuple):
    cycle: RetrainingCycle
    number: int

    @property
    def over(self) -> bool:
        """Whether the cycle has gone on to another candidate."""
        return self.number < self.cycle.attempt


def candidate_subject(session: Session, cycle: RetrainingCycle) -> UUID:
    """The id under which the message about the present candidate stands: that of the cycle for the first."""
    return cycle.id if cycle.attempt == 1 else attempt_of(session, cycle).id


def earlier_subjects(session: Session, cycle: RetrainingCycle) -> list[UUID]:
    return [cycle.id if each.number == 1 else each.id for each in attempts_of(session, cycle.id)[: cycle.attempt - 1]]


def attempt_about(session: Session, subject_id: UUID) -> Attempt | None:
    """Whose candidate a message is about."""
    cycle = session.get(RetrainingCycle, subject_id)
    if cycle is not None:
        return Attempt(cycle, 1)
    attempt = session.get(CycleAttempt, subject_id)
    return Attempt(session.get_one(RetrainingCycle, attempt.cycle_id), attempt.number) if attempt is not None else None

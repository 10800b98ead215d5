"""A plan that has failed already: whoever proposes it again hears so first, and then gets another seed."""

from typing import ClassVar, NamedTuple
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.kit.errors import Conflict
from tuneloop.retraining.attempts import attempts_of
from tuneloop.retraining.diagnosis.service import latest_diagnosis
from tuneloop.retraining.recipe import Recipe
from tuneloop.tables import CycleState, RetrainingCycle

CANCELLED = "cancelled"


class FailedBefore(Conflict):
    """Proposing it with `again` insists; each edge adds how that is said there."""

    code: ClassVar[str] = "failed_before"


class Failures(NamedTuple):
    """The newest cycle that tried a plan in vain, and the seeds with which it was tried."""

    cycle: RetrainingCycle
    seeds: frozenset[int]


def failures_of(
    session: Session, *, model_id: UUID, recipe: Recipe, training_id: UUID, golden_id: UUID, parent_id: UUID | None
) -> Failures | None:
    """Cycles that ended without a version on the same data, from the same parent, by a recipe that differs in its seed.

    One that people turned down before it trained, or stopped, has shown nothing.
    """
    query = select(RetrainingCycle).where(
        RetrainingCycle.model_id == model_id,
        RetrainingCycle.training_snapshot_id == training_id,
        RetrainingCycle.golden_snapshot_id == golden_id,
        col(RetrainingCycle.parent_version_id).is_not_distinct_from(parent_id),
        col(RetrainingCycle.state).in_((CycleState.REJECTED, CycleState.FAILED)),
    )
    newest: RetrainingCycle | None = None
    seeds: set[int] = set()
    for cycle in session.exec(query.order_by(col(RetrainingCycle.created_at).desc())):
        tried = [
            each
            for each in (Recipe.model_validate(attempt.recipe) for attempt in attempts_of(session, cycle.id))
            if _alike(each, recipe)
        ]
        if tried and cycle.failure != CANCELLED:
            newest = newest or cycle
            seeds |= {each.seed for each in tried}
    return Failures(newest, frozenset(seeds)) if newest is not None else None


def refuse(session: Session, found: Failures) -> None:
    """Raises FailedBefore, with what came of it."""
    diagnosis = latest_diagnosis(session, found.cycle.id)
    why = diagnosis.summary if diagnosis is not None else "It ended without a version"
    raise FailedBefore(
        f"the same data and recipe were tried on {found.cycle.created_at:%-d %B %Y}. {why.rstrip('. ')}. "
        "Change the data or the recipe, or try it all the same with another seed",
        cycle=str(found.cycle.id),
        insist={"again": True},
    )


def _alike(one: Recipe, other: Recipe) -> bool:
    apart = {"seed", "further_attempts"}
    return one.model_dump(exclude=apart) == other.model_dump(exclude=apart)

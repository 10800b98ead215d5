"""The one read model of a cycle: the API answers with it, pages and messages show it."""

from typing import cast

from sqlmodel import Session

from tuneloop.evaluation.schemas import Quantisations
from tuneloop.registry.overrides import override_of
from tuneloop.registry.service import full_name
from tuneloop.retraining.approvals import questions, votes
from tuneloop.retraining.attempts import attempts_of, candidates_of, comparison_of
from tuneloop.retraining.evidence import evidence_in
from tuneloop.retraining.recipe import Recipe
from tuneloop.retraining.schemas import CandidateRead, ComparisonRead, CycleRead, QuestionRead
from tuneloop.tables import (
    AdapterVersion,
    Approval,
    ApprovalKind,
    CycleState,
    Decision,
    RegisteredModel,
    RetrainingCycle,
)


def read_cycle(session: Session, cycle: RetrainingCycle, *, attempt: int | None = None) -> CycleRead:
    """As it is now; with `attempt` as that one of its candidates has ended."""
    number = attempt or cycle.attempt
    ended = number < cycle.attempt
    version_id = cycle.candidate_version_id
    if ended:
        version_id = attempts_of(session, cycle.id)[number - 1].candidate_version_id
    name = full_name(session, session.get_one(RegisteredModel, cycle.model_id))
    parent = session.get(AdapterVersion, cycle.parent_version_id) if cycle.parent_version_id else None
    candidate = session.get(AdapterVersion, version_id) if version_id else None
    comparison = comparison_of(session, cycle.id, number)
    return CycleRead(
        id=cycle.id,
        attempt=number,
        model=name,
        state=CycleState.REJECTED if ended else cycle.state,
        trigger=cycle.trigger,
        alert_id=cycle.alert_id,
        parent=f"{name}@v{parent.number}" if parent else None,
        candidate=f"{name}@v{candidate.number}" if candidate else None,
        candidate_digest=candidate.digest if candidate else None,
        recipe=Recipe.model_validate(cycle.recipe),
        job_id=cycle.job_id,
        failure=cycle.failure,
        questions=[
            read_question(session, each)
            for each in questions(session, cycle.id)
            if attempt is None or each.kind is ApprovalKind.RETRAIN or each.attempt == number
        ],
        candidates=[CandidateRead.model_validate(each) for each in candidates_of(session, cycle.id)],
        comparison=ComparisonRead.model_validate(comparison) if comparison else None,
        evidence=evidence_in(session, cycle, comparison),
        override=override_of(session, cycle.id),
        quantisations=cast("Quantisations | None", cycle.quantisations),
        created_at=cycle.created_at,
        updated_at=cycle.updated_at,
    )


def read_question(session: Session, asked: Approval) -> QuestionRead:
    approved = [vote.name for vote in votes(session, asked) if vote.decision is Decision.APPROVED]
    return QuestionRead.model_validate(asked).model_copy(update={"approved_by": approved})

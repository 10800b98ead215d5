"""What a look of the gate leads to: a question about promotion, another attempt, or the end of the cycle."""

from datetime import timedelta

from sqlmodel import Session

from tuneloop.audit.service import record
from tuneloop.kit.clock import now
from tuneloop.kit.principal import Principal
from tuneloop.registry.service import aliases, policy_of
from tuneloop.retraining.approvals import questions
from tuneloop.retraining.attempts import attempt_of, attempts_of
from tuneloop.retraining.diagnosis.findings import Diagnosis, NextStep, StepKind
from tuneloop.retraining.diagnosis.service import close_attempt
from tuneloop.retraining.jobs import ReleaseCandidate, TrainCandidate
from tuneloop.retraining.live_test import end_live_test
from tuneloop.retraining.recipe import FURTHER_COMPUTE, Recipe
from tuneloop.retraining.service import ask_promotion, start_step
from tuneloop.retraining.states import advance, close_gate_items
from tuneloop.retraining.verdicts import labels_used, open_items
from tuneloop.stats.outcome import Outcome
from tuneloop.tables import (
    AbState,
    AdapterVersion,
    Alias,
    Approval,
    ApprovalKind,
    AttemptEnd,
    Comparison,
    CycleAttempt,
    CycleState,
    Decision,
    RegisteredModel,
    RetrainingCycle,
)

BY_GATE = "the gate"
UNPROVEN = "the labels at hand can't prove it, and another candidate may be easier to prove"


def conclude(session: Session, cycle: RetrainingCycle, comparison: Comparison, *, principal: Principal) -> None:
    """Of a cycle that was compared just now, or waits for promotion and was looked at again."""
    if comparison.outcome == Outcome.REJECT:
        if not _try_again(session, cycle, AttemptEnd.REJECTED, comparison, principal=principal):
            advance(session, cycle, CycleState.REJECTED, principal=principal, outcome=comparison.outcome)
        return
    if comparison.outcome == Outcome.PROMOTE:
        close_gate_items(session, cycle, why="the gate has decided")
        _reopen(session, cycle)
    elif nothing_left(session, cycle, comparison) and _try_again(
        session, cycle, AttemptEnd.UNDECIDED, comparison, principal=principal
    ):
        return
    if cycle.state is CycleState.COMPARED:
        ask_for_promotion(session, cycle, principal=principal, outcome=comparison.outcome)
    elif comparison.outcome == Outcome.PROMOTE:
        _renew(session, cycle, principal=principal)


def ask_for_promotion(
    session: Session, cycle: RetrainingCycle, *, principal: Principal, outcome: str | None = None
) -> None:
    """`outcome` is None for a first version, which no gate judges."""
    advance(session, cycle, CycleState.AWAITING_PROMOTION, principal=principal, outcome=outcome)
    candidate = session.get_one(AdapterVersion, cycle.candidate_version_id)
    ask_promotion(session, cycle, session.get_one(RegisteredModel, cycle.model_id), digest=candidate.digest)


def nothing_left(session: Session, cycle: RetrainingCycle, comparison: Comparison) -> bool:
    """Whether labels can't decide an open verdict: none is to be given any more, or the budget is used up."""
    policy = policy_of(session.get_one(RegisteredModel, cycle.model_id))
    return open_items(session, cycle.id) == 0 or labels_used(comparison) >= policy.label_budget


def next_attempt(session: Session, cycle: RetrainingCycle, diagnosis: Diagnosis) -> NextStep | None:
    """The first step that can help and that the plan covers: its number of attempts, and their compute."""
    if cycle.attempt > Recipe.model_validate(cycle.recipe).further_attempts:
        return None
    production = aliases(session, cycle.model_id).get(Alias.PRODUCTION)
    if production is None or production.id != cycle.parent_version_id:
        return None
    first, *further = [sum(attempt.seconds.values()) for attempt in attempts_of(session, cycle.id)]
    left = FURTHER_COMPUTE * first - sum(further)
    return next((step for step in diagnosis.steps if step.helps and 60 * (step.minutes or 0.0) <= left), None)


def begin_attempt(session: Session, cycle: RetrainingCycle, step: NextStep, *, principal: Principal) -> None:
    """Send another candidate on its way: one that is trained already, or one of a changed recipe."""
    before = attempt_of(session, cycle)
    why = "another candidate is tried"
    close_gate_items(session, cycle, why=why)
    end_live_test(session, model_id=cycle.model_id, principal=principal, state=AbState.KEPT, reason=why)
    trained = step.kind is StepKind.BLEND
    cycle.attempt += 1
    cycle.candidate_version_id = cycle.quantisations = None
    session.add(
        CycleAttempt(
            client_id=cycle.client_id,
            cycle_id=cycle.id,
            number=cycle.attempt,
            recipe=before.recipe if trained else step.recipe or before.recipe,
            source_id=step.candidate_id if trained else None,
        )
    )
    advance(
        session, cycle, CycleState.TRAINING, principal=principal, attempt=cycle.attempt, step=step.key, note=step.title
    )
    start_step(session, cycle, ReleaseCandidate if trained else TrainCandidate)


def _try_again(
    session: Session, cycle: RetrainingCycle, ended: AttemptEnd, comparison: Comparison, *, principal: Principal
) -> bool:
    """Whether another attempt has begun. A harm that is proven answers the open question, and so does a new attempt."""
    diagnosis = close_attempt(session, cycle, ended)
    step = next_attempt(session, cycle, diagnosis)
    if step is not None or ended is AttemptEnd.REJECTED:
        reasons = [UNPROVEN] if ended is AttemptEnd.UNDECIDED else comparison.reasons
        _answer(session, cycle, note=next(iter(reasons), None))
    if step is not None:
        begin_attempt(session, cycle, step, principal=principal)
    return step is not None


def _answer(session: Session, cycle: RetrainingCycle, *, note: str | None) -> None:
    for question in _open_promotions(session, cycle):
        question.decision, question.decided_by, question.decided_at = Decision.REJECTED, BY_GATE, now()
        question.note = note
        session.add(question)


def _open_promotions(session: Session, cycle: RetrainingCycle) -> list[Approval]:
    asked = questions(session, cycle.id)
    return [each for each in asked if each.kind is ApprovalKind.PROMOTION and each.decision is None]


def _reopen(session: Session, cycle: RetrainingCycle) -> None:
    """What labels could not decide for a while has been decided by more of them."""
    attempt = attempt_of(session, cycle)
    attempt.ended = attempt.ended_at = attempt.diagnosis = None
    session.add(attempt)


def _renew(session: Session, cycle: RetrainingCycle, *, principal: Principal) -> None:
    """A later look has proven the candidate good: people get the full time to answer from now on."""
    model = session.get_one(RegisteredModel, cycle.model_id)
    for question in _open_promotions(session, cycle):
        question.requested_at = now()
        question.expires_at = question.requested_at + timedelta(hours=policy_of(model).approval_hours)
        session.add(question)
    cycle.updated_at = now()
    session.add(cycle)
    record(session, principal, "gate.promote", "cycle", cycle.id, client_id=cycle.client_id)

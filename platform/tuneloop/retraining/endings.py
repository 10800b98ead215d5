"""What a later look of the gate does to the question about promotion, and to what still waits for labels."""

from datetime import timedelta

from sqlmodel import Session

from tuneloop.audit.service import record
from tuneloop.identity.principal import Principal
from tuneloop.kit.clock import now
from tuneloop.registry.service import policy_of
from tuneloop.retraining.approvals import questions
from tuneloop.retraining.states import advance, close_gate_items
from tuneloop.tables import (
    ApprovalKind,
    Comparison,
    CycleState,
    Decision,
    RegisteredModel,
    RetrainingCycle,
)

BY_GATE = "the gate"


def end_by_gate(session: Session, cycle: RetrainingCycle, *, principal: Principal, comparison: Comparison) -> None:
    """A later look has proven harm: the open question is answered by it, the cycle is over."""
    for question in questions(session, cycle.id):
        if question.kind is ApprovalKind.PROMOTION and question.decision is None:
            question.decision, question.decided_by, question.decided_at = Decision.REJECTED, BY_GATE, now()
            question.note = comparison.reasons[0] if comparison.reasons else None
            session.add(question)
    advance(session, cycle, CycleState.REJECTED, principal=principal, outcome=comparison.outcome, look=comparison.look)


def renew_promotion(session: Session, cycle: RetrainingCycle, model: RegisteredModel, *, principal: Principal) -> None:
    """A later look has proven the candidate good: people get the full time to answer from now on."""
    for question in questions(session, cycle.id):
        if question.kind is ApprovalKind.PROMOTION and question.decision is None:
            question.requested_at = now()
            question.expires_at = question.requested_at + timedelta(hours=policy_of(model).approval_hours)
            session.add(question)
    cycle.updated_at = now()
    session.add(cycle)
    close_gate_items(session, cycle, why="the gate has decided")
    record(session, principal, "gate.promote", "cycle", cycle.id, client_id=cycle.client_id)

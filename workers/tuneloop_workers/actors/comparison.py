"""Compare candidate and production, and ask for promotion, or turn a proven harm down; again when labels have come."""

from tuneloop.kit.tenancy import TenantSession
from tuneloop.retraining.endings import end_by_gate, renew_promotion
from tuneloop.retraining.jobs import CompareCandidate, LearnFromGate, RejudgeCandidate
from tuneloop.retraining.learning import learn_from_gate
from tuneloop.retraining.service import ask_promotion, lock_cycle
from tuneloop.retraining.states import advance, close_gate_items
from tuneloop.retraining.verdicts import may_look_again
from tuneloop.stats.gate import Outcome
from tuneloop.tables import AdapterVersion, CycleState, RegisteredModel, RetrainingCycle
from tuneloop_workers.actors.verdict import look
from tuneloop_workers.runtime import Context, handles


@handles(CompareCandidate)
def compare_candidate(context: Context, job: CompareCandidate) -> None:
    """The first look."""
    with context.unit() as session:
        cycle = lock_cycle(session, job.cycle_id)
        if cycle.state is not CycleState.COMPARED:
            return
        outcome = look(session, cycle).outcome if cycle.parent_version_id is not None else None
        if outcome == Outcome.REJECT:
            advance(session, cycle, CycleState.REJECTED, principal=context.principal, outcome=outcome)
            return
        if outcome == Outcome.PROMOTE:
            close_gate_items(session, cycle, why="the gate has decided")
        advance(session, cycle, CycleState.AWAITING_PROMOTION, principal=context.principal, outcome=outcome)
        model, candidate = _subject(session, cycle)
        ask_promotion(session, cycle, model, digest=candidate.digest)


@handles(RejudgeCandidate)
def rejudge_candidate(context: Context, job: RejudgeCandidate) -> None:
    """A later look. A proven harm ends the cycle; a proven good candidate is asked about afresh."""
    with context.unit() as session:
        cycle = lock_cycle(session, job.cycle_id)
        if not may_look_again(session, cycle):
            return
        comparison = look(session, cycle)
        if comparison.outcome == Outcome.REJECT:
            end_by_gate(session, cycle, principal=context.principal, comparison=comparison)
        elif comparison.outcome == Outcome.PROMOTE:
            model, _ = _subject(session, cycle)
            renew_promotion(session, cycle, model, principal=context.principal)


@handles(LearnFromGate)
def learn(context: Context, job: LearnFromGate) -> None:
    with context.unit() as session:
        learn_from_gate(session, lock_cycle(session, job.cycle_id))


def _subject(session: TenantSession, cycle: RetrainingCycle) -> tuple[RegisteredModel, AdapterVersion]:
    return (
        session.get_one(RegisteredModel, cycle.model_id),
        session.get_one(AdapterVersion, cycle.candidate_version_id),
    )

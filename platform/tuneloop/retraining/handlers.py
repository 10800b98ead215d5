"""Compare candidate and production, and act on what the gate says; again when labels have come."""

from tuneloop.kit.jobs.runtime import JobContext, handles
from tuneloop.retraining.gate_step import look
from tuneloop.retraining.jobs import CompareCandidate, FailCycle, LearnFromGate, RejudgeCandidate
from tuneloop.retraining.rejudge import ask_for_promotion, conclude
from tuneloop.retraining.release_gate_labels import learn_from_gate
from tuneloop.retraining.service import at_step, fail_cycle, lock_cycle
from tuneloop.retraining.verdicts import may_look_again
from tuneloop.tables import CycleState


@handles(CompareCandidate)
def compare_candidate(context: JobContext, job: CompareCandidate) -> None:
    """The first look."""
    with context.unit() as session:
        cycle = at_step(session, job, CycleState.COMPARED)
        if cycle is None:
            return
        if cycle.parent_version_id is None:
            ask_for_promotion(session, cycle, principal=context.principal)
        else:
            conclude(session, cycle, look(session, cycle), principal=context.principal)


@handles(RejudgeCandidate)
def rejudge_candidate(context: JobContext, job: RejudgeCandidate) -> None:
    """A later look. A proven harm ends the attempt; a proven good candidate is asked about afresh."""
    with context.unit() as session:
        cycle = lock_cycle(session, job.cycle_id)
        if may_look_again(session, cycle):
            conclude(session, cycle, look(session, cycle), principal=context.principal)


@handles(LearnFromGate)
def learn(context: JobContext, job: LearnFromGate) -> None:
    with context.unit() as session:
        learn_from_gate(session, lock_cycle(session, job.cycle_id))


@handles(FailCycle)
def close_failed_cycle(context: JobContext, job: FailCycle) -> None:
    with context.unit() as session:
        fail_cycle(session, cycle_id=job.cycle_id, attempt=job.attempt, reason=job.reason)

"""What ended an attempt is said, with what would help."""

from tests.retraining.attempts.stories import EVERYTHING, compared
from tests.retraining.gating import Work, reload
from tests.support.cycles import Workshop
from tuneloop.kit.jobs import JobRow
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.retraining.attempts import attempts_of, comparison_of
from tuneloop.retraining.diagnosis.findings import StepKind
from tuneloop.retraining.diagnosis.service import latest_diagnosis
from tuneloop.retraining.jobs import TrainCandidate
from tuneloop.retraining.service import fail_cycle, reject, start_step
from tuneloop.tables import AttemptEnd, CycleState


def test_what_golden_examples_can_t_decide_waits_for_more_of_them(
    session: TenantSession, workshop: Workshop, at_work: Work
) -> None:
    gate = compared(session, workshop, right=[False] * 3 + [True] * 117, queries=0)
    at_work()
    cycle = reload(session, gate)
    assert (cycle.state, cycle.attempt) == (CycleState.AWAITING_PROMOTION, 1)
    (attempt,) = attempts_of(session, cycle.id)
    assert attempt.ended is AttemptEnd.UNDECIDED
    diagnosis = latest_diagnosis(session, cycle.id)
    assert diagnosis is not None
    assert "could be neither proven nor ruled out" in diagnosis.summary
    (golden,) = [step for step in diagnosis.steps if step.kind is StepKind.GOLDEN]
    latest = comparison_of(session, cycle.id)
    assert latest is not None
    assert golden.labels == latest.labels_needed


def test_what_people_turn_down_is_diagnosed_and_nothing_runs_by_itself(
    session: TenantSession, workshop: Workshop, operator: Principal, at_work: Work
) -> None:
    gate = compared(session, workshop, right=EVERYTHING)
    at_work()
    reject(session, principal=operator, cycle_id=gate.cycle_id, digest=gate.candidate.digest, note="not now")
    cycle = reload(session, gate)
    assert (cycle.state, cycle.attempt) == (CycleState.REJECTED, 1)
    assert latest_diagnosis(session, cycle.id) is not None


def test_a_training_that_fails_says_at_what_and_what_to_try(
    session: TenantSession, workshop: Workshop, operator: Principal
) -> None:
    cycle = workshop.cycle(session, CycleState.TRAINING)
    start_step(session, cycle, TrainCandidate)
    session.get_one(JobRow, cycle.job_id).progress = {"stage": "checking parity"}
    fail_cycle(session, cycle_id=cycle.id, attempt=1, reason="the largest difference is 0.4")
    diagnosis = latest_diagnosis(session, cycle.id)
    assert diagnosis is not None
    assert (diagnosis.ended, diagnosis.version) == (AttemptEnd.FAILED, None)
    assert diagnosis.summary == "The retrain failed while checking parity: the largest difference is 0.4"
    assert [step.kind for step in diagnosis.steps] == [StepKind.RETRAIN, StepKind.KEEP]
    assert not any(step.helps for step in diagnosis.steps)

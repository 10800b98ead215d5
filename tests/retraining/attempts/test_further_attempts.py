"""An approval covers further attempts: each has its own candidate, within the compute approved."""

from sqlmodel import select

from tests.retraining.attempts.stories import EVERYTHING, LOSES, come_to_compare, compared, queued
from tests.retraining.gating import Work, reload
from tests.support.cycles import Workshop
from tuneloop.kit.jobs import enqueue
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.service import point
from tuneloop.retraining.attempts import attempts_of, comparison_of, note_seconds
from tuneloop.retraining.diagnosis.findings import StepKind
from tuneloop.retraining.diagnosis.service import latest_diagnosis
from tuneloop.retraining.jobs import CompareCandidate, ReleaseCandidate, TrainCandidate
from tuneloop.retraining.recipe import Recipe
from tuneloop.retraining.service import fail_cycle
from tuneloop.stats.outcome import Outcome
from tuneloop.tables import Alias, AttemptEnd, AuditEvent, Candidate, CycleState


def test_a_rejected_candidate_is_diagnosed_and_a_trained_blend_that_keeps_more_is_tried(
    session: TenantSession, workshop: Workshop, at_work: Work
) -> None:
    gate = compared(session, workshop, right=LOSES)
    at_work()
    cycle = reload(session, gate)
    assert (cycle.state, cycle.attempt, cycle.candidate_version_id) == (CycleState.TRAINING, 2, None)
    first, second = attempts_of(session, cycle.id)
    assert (first.ended, second.ended) == (AttemptEnd.REJECTED, None)
    source = session.get_one(Candidate, second.source_id)
    assert source.blend == 0.5, "the largest gain among those that keep the strong ones"
    assert queued(session) == [ReleaseCandidate.name]
    (event,) = session.exec(select(AuditEvent).where(AuditEvent.action == "cycle.training")).all()
    assert (event.detail["attempt"], event.detail["step"]) == (2, "blend")

    diagnosis = latest_diagnosis(session, cycle.id)
    assert diagnosis is not None
    (loss,) = diagnosis.losses
    assert (loss.category, loss.n, loss.broken, loss.proven) == ("order", 60, 40, True)
    (pair,) = diagnosis.pairs
    assert (pair.category, pair.wrong, pair.before, pair.after, pair.n) == ("order", "wrong", 0, 40, 60)
    assert pair.examples == tuple(example.id for example in workshop.examples[:3])
    assert "order went from 100 % (94\u2013100 %, n=60) to 33 %" in diagnosis.summary
    assert "40 of 60 are taken for wrong now, 0 before" in diagnosis.summary
    blend = diagnosis.steps[0]
    assert (blend.kind, blend.minutes) == (StepKind.BLEND, 1.0)
    assert "39 of 40 (production 38)" in blend.expected
    assert [step.kind for step in diagnosis.steps][-1] is StepKind.KEEP


def test_the_third_attempt_trains_gently_with_another_seed_and_the_fourth_does_not_happen(
    session: TenantSession, workshop: Workshop, at_work: Work
) -> None:
    gate = compared(session, workshop, right=LOSES)
    at_work()
    come_to_compare(session, gate, "1.2", right=LOSES)
    at_work()
    cycle = reload(session, gate)
    assert (cycle.state, cycle.attempt, queued(session)) == (CycleState.TRAINING, 3, [TrainCandidate.name])
    recipe = Recipe.model_validate(attempts_of(session, cycle.id)[2].recipe)
    assert (recipe.seed, recipe.new_share, recipe.blends) == (1, 0.2, Recipe().blends)
    assert Recipe.model_validate(cycle.recipe).seed == 0, "the plan stays what was approved"
    come_to_compare(session, gate, "1.3", right=LOSES)
    at_work()
    cycle = reload(session, gate)
    assert (cycle.state, cycle.attempt) == (CycleState.REJECTED, 3)
    assert [each.ended for each in attempts_of(session, cycle.id)] == [AttemptEnd.REJECTED] * 3
    diagnosis = latest_diagnosis(session, cycle.id)
    assert diagnosis is not None
    assert diagnosis.version == "v1.3"
    (again,) = [step for step in diagnosis.steps if step.kind is StepKind.RETRAIN]
    assert again.recipe is not None
    assert (again.recipe["seed"], again.recipe["new_share"]) == (2, 0.1)


def test_a_plan_without_further_attempts_ends_with_its_first(
    session: TenantSession, workshop: Workshop, at_work: Work
) -> None:
    gate = compared(session, workshop, right=LOSES, further=0)
    at_work()
    cycle = reload(session, gate)
    assert (cycle.state, cycle.attempt, queued(session)) == (CycleState.REJECTED, 1, [])
    assert latest_diagnosis(session, cycle.id) is not None


def test_further_attempts_stop_where_their_compute_is_used_up(
    session: TenantSession, workshop: Workshop, at_work: Work
) -> None:
    gate = compared(session, workshop, right=LOSES)
    at_work()
    cycle = come_to_compare(session, gate, "1.2", right=LOSES)
    note_seconds(session, cycle, release=200.0)
    at_work()
    assert reload(session, gate).state is CycleState.REJECTED, "200 + 160 s are more than twice the first's 160 s"


def test_where_production_has_changed_nothing_else_is_tried(
    session: TenantSession, workshop: Workshop, at_work: Work
) -> None:
    gate = compared(session, workshop, right=LOSES)
    point(session, workshop.model, Alias.PRODUCTION, workshop.version(session, "3.0").id)
    at_work()
    assert reload(session, gate).state is CycleState.REJECTED


def test_the_same_step_twice_and_a_late_one_of_an_earlier_attempt_change_nothing(
    session: TenantSession, workshop: Workshop, at_work: Work
) -> None:
    gate = compared(session, workshop, right=LOSES)
    cycle = reload(session, gate)
    late = CompareCandidate(cycle_id=cycle.id, attempt=1)
    enqueue(session, late, agency_id=cycle.agency_id, client_id=cycle.client_id)
    assert at_work() == 2
    assert (reload(session, gate).attempt, queued(session)) == (2, [ReleaseCandidate.name])
    assert len(attempts_of(session, cycle.id)) == 2
    come_to_compare(session, gate, "1.2", right=EVERYTHING)
    enqueue(session, late, agency_id=cycle.agency_id, client_id=cycle.client_id)
    assert at_work() == 2
    fail_cycle(session, cycle_id=cycle.id, attempt=1, reason="the old step")
    assert reload(session, gate).state is CycleState.AWAITING_PROMOTION
    latest = comparison_of(session, cycle.id)
    assert latest is not None
    assert (latest.attempt, latest.look) == (2, 1)
    before = comparison_of(session, cycle.id, attempt=1)
    assert before is not None
    assert before.outcome == Outcome.REJECT

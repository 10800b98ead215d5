"""An approval covers further attempts: each has its own candidate, looks and question, within the compute approved."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from tests.retraining.gating import RIGHT, WRONG, Gate, make_gate, reload, work
from tests.support.cycles import Workshop, make_workshop
from tests.support.failed_plan import give_data
from tuneloop.kit.db import Database
from tuneloop.kit.jobs import JobRow, JobState, enqueue
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.predictions.gate_holdout import gate_queries
from tuneloop.registry.service import point
from tuneloop.retraining.approvals import questions
from tuneloop.retraining.attempts import attempt_of, attempts_of, comparison_of, note_seconds
from tuneloop.retraining.diagnosis.findings import StepKind
from tuneloop.retraining.diagnosis.reading import read_attempts
from tuneloop.retraining.diagnosis.service import latest_diagnosis
from tuneloop.retraining.jobs import CompareCandidate, ReleaseCandidate, TrainCandidate
from tuneloop.retraining.next_recipe import all_layers_recipe, changed_recipe
from tuneloop.retraining.recipe import Method, Recipe
from tuneloop.retraining.service import approve_promotion, fail_cycle, reject, start_step
from tuneloop.retraining.verdicts import gate_state, settled_items
from tuneloop.review.next_steps import take_step
from tuneloop.review.queue import GatePair, add_gate_items
from tuneloop.stats.gate import Outcome
from tuneloop.tables import (
    Agency,
    Alias,
    AttemptEnd,
    AuditEvent,
    Candidate,
    CycleState,
    Decision,
    DisagreementRun,
    Pool,
    Prediction,
    RetrainingCycle,
    ReviewItem,
    ReviewState,
    Snapshot,
    SnapshotItem,
)

Work = Callable[[], int]

LOSES = [False] * 40 + [True] * 80
"""Of 60 golden examples each of `order` and `refund`: the first 40 of `order` broke."""
EVERYTHING = [True] * 120


@pytest.fixture
def workshop(database: Database, agency: Agency) -> Workshop:
    return make_workshop(database, agency, ["order"] * 60 + ["refund"] * 60)


@pytest.fixture
def at_work(database: Database, session: TenantSession, tmp_path: Path) -> Work:
    return lambda: work(database, session, tmp_path)


def tried(blend: float, strong: int, target: int, *, chosen: bool = False) -> dict[str, Any]:
    """Of 40 strong and 10 new dev examples, of which production has 38 and 0."""

    def stratum(correct: int, n: int, production: int) -> dict[str, Any]:
        before = {"n": n, "correct": production, "score": production / n}
        return {"n": n, "correct": correct, "score": correct / n, "production": before}

    dev = {"strong": stratum(strong, 40, 38), "target": stratum(target, 10, 0)}
    parts = [{"peft_sha256": "a" * 64, "gguf_sha256": "b" * 64, "scale": blend}]
    return {"method": "continue", "blend": blend, "dev": dev, "parts": parts, "chosen": chosen}


def compared(
    session: TenantSession, workshop: Workshop, *, right: list[bool], further: int = 2, queries: int = 1000
) -> Gate:
    """At its first look; three blends are trained, the one with 0.7 was chosen."""
    gate = make_gate(session, workshop, queries=queries, disagreements=60 if queries else 0, right=right)
    cycle = reload(session, gate)
    cycle.recipe = Recipe(further_attempts=further).model_dump(mode="json")
    for each in (tried(0.7, 38, 9, chosen=True), tried(0.5, 39, 6), tried(0.3, 40, 2)):
        session.add(Candidate(client_id=workshop.client.id, cycle_id=cycle.id, **each))
    note_seconds(session, cycle, train=100.0, release=10.0, evaluate=20.0, disagree=30.0)
    session.flush()
    return gate


def learned_too_little(session: TenantSession, workshop: Workshop, *, further: int = 2, **seconds: float) -> Gate:
    """As `compared`, but `refund` is new, and of its 60 golden examples the candidate gets 1 right, production none."""
    gate = compared(session, workshop, right=[True] * 61 + [False] * 59, further=further, queries=0)
    before = Snapshot(
        client_id=workshop.client.id,
        model_id=workshop.model.id,
        pool=Pool.TRAINING,
        digest="3" * 64,
        size=60,
        categories={},
    )
    session.add(before)
    session.flush()
    session.add_all(
        SnapshotItem(client_id=workshop.client.id, snapshot_id=before.id, example_id=example.id, position=place)
        for place, example in enumerate(workshop.examples[:60])
    )
    session.flush()
    parent = replace(workshop, golden=before).version(session, "0.9")
    workshop.run(session, parent, [True] * 60 + [False] * 60)
    point(session, workshop.model, Alias.PRODUCTION, parent.id)
    cycle = reload(session, gate)
    cycle.parent_version_id = parent.id
    attempt_of(session, cycle).seconds = seconds
    session.flush()
    return gate


def come_to_compare(session: TenantSession, gate: Gate, number: str, *, right: list[bool]) -> RetrainingCycle:
    """What the release and the evaluation of the present attempt do, without an engine."""
    cycle, workshop = reload(session, gate), gate.workshop
    version = workshop.version(session, number)
    workshop.run(session, version, right)
    point(session, workshop.model, Alias.CANDIDATE, version.id)
    cycle.candidate_version_id, cycle.state = version.id, CycleState.COMPARED
    for job in session.exec(select(JobRow).where(JobRow.state == JobState.QUEUED)):
        job.state = JobState.SUCCEEDED
    session.flush()
    start_step(session, cycle, CompareCandidate)
    session.flush()
    return cycle


def queued(session: TenantSession) -> list[str]:
    return list(session.exec(select(JobRow.name).where(JobRow.state == JobState.QUEUED)))


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
    assert "order went from 100 % (94 to 100 %, n 60) to 33 %" in diagnosis.summary
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


def test_each_attempt_asks_its_own_question_and_an_old_button_is_refused(
    session: TenantSession, workshop: Workshop, operator: Principal, owner: Principal, at_work: Work
) -> None:
    gate = compared(session, workshop, right=EVERYTHING)
    at_work()
    gate.label(session, operator, [False] * 40)
    at_work()
    cycle = reload(session, gate)
    assert cycle.attempt == 2
    (first,) = questions(session, cycle.id)
    assert (first.decision, first.decided_by) == (Decision.REJECTED, "the gate")
    with pytest.raises(Exception, match="already rejected by the gate"):
        approve_promotion(session, principal=owner, cycle_id=cycle.id, digest=first.subject_digest, note="I insist")
    come_to_compare(session, gate, "1.2", right=EVERYTHING)
    at_work()
    _, second = questions(session, cycle.id)
    assert (second.attempt, second.decision) == (2, None)
    approve_promotion(session, principal=owner, cycle_id=cycle.id, digest=second.subject_digest, note="good enough")
    assert [each.decision for each in questions(session, cycle.id)] == [Decision.REJECTED, Decision.APPROVED]


def test_labels_of_an_earlier_attempt_are_taken_over_in_their_turn(
    session: TenantSession, workshop: Workshop, operator: Principal, at_work: Work
) -> None:
    gate = compared(session, workshop, right=EVERYTHING)
    at_work()
    asked = list(gate.items)
    gate.label(session, operator, [False] * 40)
    at_work()
    cycle = reload(session, gate)
    labelled = session.exec(select(ReviewItem).where(ReviewItem.state == ReviewState.DONE)).all()
    known = {item.prediction_id for item in labelled}
    fresh = Prediction(
        client_id=workshop.client.id,
        model_id=workshop.model.id,
        version_id=gate.production.id,
        digest=gate.production.digest,
        messages=[{"role": "user", "content": "a new query"}],
        answer=RIGHT,
    )
    session.add(fresh)
    session.flush()
    old = [session.get_one(Prediction, item.prediction_id) for item in asked if item.prediction_id in known][:3]
    pairs = [GatePair(each, RIGHT, WRONG) for each in (old[0], fresh, *old[1:])]
    session.add(
        DisagreementRun(
            client_id=workshop.client.id,
            cycle_id=cycle.id,
            attempt=2,
            production_digest=gate.production.digest,
            candidate_digest="9" * 64,
            queries=1000,
            disagreements=4,
            agreed={RIGHT: 996},
        )
    )
    items = add_gate_items(session, cycle=cycle, pairs=pairs)
    assert [item.state for item in items] == [
        ReviewState.DONE,
        ReviewState.OPEN,
        ReviewState.DONE,
        ReviewState.DONE,
    ]
    assert all(item.label_of is not None for item in items if item.state is ReviewState.DONE)
    assert [item.id for item in settled_items(session, cycle.id)] == [items[0].id]
    assert (gate_state(session, cycle).labels, gate_state(session, cycle).open) == (1, 1)
    items[1].state, items[1].closed_at = ReviewState.DONE, items[0].closed_at
    items[1].expected = items[1].category = RIGHT
    session.flush()
    assert [item.id for item in settled_items(session, cycle.id)] == [item.id for item in items]


def test_all_attempts_of_a_cycle_are_judged_by_the_same_queries(
    session: TenantSession, workshop: Workshop, at_work: Work
) -> None:
    gate = compared(session, workshop, right=LOSES)
    for number in range(40):
        session.add(
            Prediction(
                client_id=workshop.client.id,
                model_id=workshop.model.id,
                version_id=gate.production.id,
                digest=gate.production.digest,
                messages=[{"role": "user", "content": f"since then {number}"}],
                answer=RIGHT,
            )
        )
    session.flush()
    before = gate_queries(session, cycle=reload(session, gate), model=workshop.model, limit=500)
    at_work()
    after = gate_queries(session, cycle=reload(session, gate), model=workshop.model, limit=500)
    assert [each.id for each in after] == [each.id for each in before]


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


def test_what_was_not_learned_though_nothing_was_lost_is_trained_with_all_layers_if_the_approval_covers_it(
    session: TenantSession, workshop: Workshop, at_work: Work
) -> None:
    gate = learned_too_little(session, workshop, train=60.0, release=10.0, evaluate=60.0)
    at_work()
    cycle = reload(session, gate)
    assert (cycle.state, cycle.attempt, queued(session)) == (CycleState.TRAINING, 2, [TrainCandidate.name])
    recipe = Recipe.model_validate(attempts_of(session, cycle.id)[1].recipe)
    assert recipe == Recipe(all_layers=True), "nothing else is changed"
    first, second = read_attempts(session, cycle)
    assert (first.step, second.step, second.what) == (None, StepKind.ALL_LAYERS, "trained again with all layers")
    diagnosis = latest_diagnosis(session, cycle.id)
    assert diagnosis is not None
    assert "a gain of 10 points is ruled out" in diagnosis.summary
    step = diagnosis.steps[0]
    assert (step.kind, step.minutes) == (StepKind.ALL_LAYERS, 4.2), "three trainings of 60 s and 70 s for the rest"

    come_to_compare(session, gate, "1.2", right=[True] * 61 + [False] * 59)
    note_seconds(session, cycle, train=170.0, release=10.0, evaluate=60.0)
    at_work()
    diagnosis = latest_diagnosis(session, cycle.id)
    assert diagnosis is not None
    assert (diagnosis.version, diagnosis.step("all_layers")) == ("v1.2", None)
    (again,) = [step for step in diagnosis.steps if step.kind is StepKind.RETRAIN]
    assert again.minutes == 4.0, "as the last training took"


@pytest.mark.parametrize(
    ("seconds", "minutes"),
    [({"train": 100.0, "release": 10.0, "evaluate": 20.0}, 5.5), ({"evaluate": 60.0}, 1.0)],
    ids=["it takes too long", "how long it takes is not known"],
)
def test_all_layers_are_only_offered_where_the_approval_may_not_cover_them(
    session: TenantSession, workshop: Workshop, at_work: Work, seconds: dict[str, float], minutes: float
) -> None:
    gate = learned_too_little(session, workshop, **seconds)
    at_work()
    cycle = reload(session, gate)
    recipe = Recipe.model_validate(attempts_of(session, cycle.id)[1].recipe)
    assert (recipe.all_layers, recipe.new_share, recipe.seed) == (False, pytest.approx(0.6), 1)
    diagnosis = latest_diagnosis(session, cycle.id)
    assert diagnosis is not None
    assert (diagnosis.steps[0].kind, diagnosis.steps[0].minutes) == (StepKind.ALL_LAYERS, minutes)


def test_people_may_propose_all_layers(
    session: TenantSession, workshop: Workshop, agency: Agency, operator: Principal, at_work: Work
) -> None:
    gate = learned_too_little(session, workshop, further=0, train=100.0)
    at_work()
    give_data(session, agency, workshop.model)
    taken = take_step(session, principal=operator, cycle_id=gate.cycle_id, key="all_layers")
    assert taken.cycle is not None
    assert (taken.cycle.state, taken.cycle.recipe["all_layers"]) == (CycleState.PROPOSED, True)


def test_all_layers_are_no_next_step_after_a_loss(session: TenantSession, workshop: Workshop, at_work: Work) -> None:
    gate = compared(session, workshop, right=LOSES)
    at_work()
    diagnosis = latest_diagnosis(session, gate.cycle_id)
    assert diagnosis is not None
    assert diagnosis.step("all_layers") is None


@pytest.mark.parametrize("recipe", [Recipe(all_layers=True), Recipe(methods=(Method.CONTINUE, Method.FROM_BASE))])
def test_all_layers_are_no_next_step_where_they_have_been_trained(recipe: Recipe) -> None:
    assert all_layers_recipe(recipe) is None


def test_what_can_t_be_changed_further_is_not_called_a_change() -> None:
    changed = changed_recipe(Recipe(new_share=0.6), lost=False, short=True, seeds=[0])
    assert (changed.recipe, changed.words) == (Recipe(new_share=0.6, seed=1), ("another seed (1)",))

"""What was not learned, though nothing was lost, is trained with all layers."""

import pytest

from tests.retraining.attempts.stories import LOSES, come_to_compare, compared, learned_too_little, queued
from tests.retraining.gating import Work, reload
from tests.support.cycles import Workshop
from tests.support.failed_plan import give_data
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.retraining.attempts import attempts_of, note_seconds
from tuneloop.retraining.diagnosis.findings import StepKind
from tuneloop.retraining.diagnosis.reading import read_attempts
from tuneloop.retraining.diagnosis.service import latest_diagnosis
from tuneloop.retraining.jobs import TrainCandidate
from tuneloop.retraining.next_recipe import all_layers_recipe, changed_recipe
from tuneloop.retraining.recipe import Method, Recipe
from tuneloop.review.next_steps import take_step
from tuneloop.tables import Agency, CycleState


def test_what_was_not_learned_though_nothing_was_lost_is_trained_with_all_layers_if_the_approval_covers_it(
    session: TenantSession, workshop: Workshop, at_work: Work
) -> None:
    gate = learned_too_little(session, workshop, seconds={"train": 60.0, "release": 10.0, "evaluate": 60.0})
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
    gate = learned_too_little(session, workshop, seconds=seconds)
    at_work()
    cycle = reload(session, gate)
    recipe = Recipe.model_validate(attempts_of(session, cycle.id)[1].recipe)
    assert (recipe.all_layers, recipe.seed) == (False, 1)
    assert recipe.new_share == pytest.approx(0.6)
    diagnosis = latest_diagnosis(session, cycle.id)
    assert diagnosis is not None
    assert (diagnosis.steps[0].kind, diagnosis.steps[0].minutes) == (StepKind.ALL_LAYERS, minutes)


def test_people_may_propose_all_layers(
    session: TenantSession, workshop: Workshop, agency: Agency, operator: Principal, at_work: Work
) -> None:
    gate = learned_too_little(session, workshop, further=0, seconds={"train": 100.0})
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

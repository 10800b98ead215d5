"""Proposing freezes exactly what an approval will be about; cancelling stops the step that runs."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from tests.support.checks import mark_checked
from tests.support.cycles import PLAN, Workshop
from tests.support.factories import SUPPORT, make_model
from tuneloop.datasets.service import add_example, snapshot_examples
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.errors import Conflict, InvalidInput, NotAllowed, NotFound
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import JobRow, JobState, claim
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.service import point
from tuneloop.registry.templates import Message
from tuneloop.retraining.approvals import questions
from tuneloop.retraining.recipe import Method, Recipe
from tuneloop.retraining.service import approve_retrain, cancel, cycles_of, plan_digest, propose, reject
from tuneloop.tables import (
    ActorKind,
    Agency,
    Alias,
    CycleState,
    Pool,
    RegisteredModel,
    RetrainingCycle,
    Role,
    Snapshot,
    Source,
    Trigger,
)

TEXTS = ["Where on earth is my parcel?", "The zip of the jacket broke after a week", "I want my money back please"]


def add(session: TenantSession, principal: Principal, model: RegisteredModel, text: str, pool: Pool) -> None:
    add_example(
        session,
        principal=principal,
        model=model,
        pool=pool,
        messages=[Message(role="user", content=text)],
        expected="order",
        category="order",
        source=Source.IMPORT,
    )
    mark_checked(session, model)


@pytest.fixture
def model(session: TenantSession, workshop: Workshop, operator: Principal) -> RegisteredModel:
    """With one golden and one training example."""
    add(session, operator, workshop.model, TEXTS[0], Pool.TRAINING)
    return workshop.model


def test_a_proposal_freezes_the_data_and_asks_for_exactly_this_plan(
    session: TenantSession, model: RegisteredModel, operator: Principal
) -> None:
    cycle = propose(session, principal=operator, model=model, recipe=Recipe(seed=7))
    (question,) = questions(session, cycle.id)
    training = session.get_one(Snapshot, cycle.training_snapshot_id)
    golden = session.get_one(Snapshot, cycle.golden_snapshot_id)
    recipe = Recipe.model_validate(cycle.recipe)
    assert (cycle.state, cycle.trigger, cycle.job_id) == (CycleState.PROPOSED, Trigger.INITIAL, None)
    assert (training.pool, golden.pool) == (Pool.TRAINING, Pool.GOLDEN)
    assert question.subject_digest == plan_digest(SUPPORT, recipe, training.digest, golden.digest, None)
    assert question.expires_at - now() == pytest.approx(timedelta(hours=72), abs=timedelta(minutes=5))


def test_later_examples_are_not_in_an_earlier_proposal(
    session: TenantSession, model: RegisteredModel, operator: Principal
) -> None:
    cycle = propose(session, principal=operator, model=model, recipe=Recipe())
    add(session, operator, model, TEXTS[1], Pool.TRAINING)
    frozen = session.get_one(Snapshot, cycle.training_snapshot_id)
    assert [example.messages[-1]["content"] for example in snapshot_examples(session, frozen)] == [TEXTS[0]]
    (before,) = questions(session, cycle.id)
    reject(session, principal=operator, cycle_id=cycle.id, digest=before.subject_digest)
    again = propose(session, principal=operator, model=model, recipe=Recipe())
    assert again.training_snapshot_id != cycle.training_snapshot_id
    assert again.golden_snapshot_id == cycle.golden_snapshot_id
    assert questions(session, again.id)[0].subject_digest != before.subject_digest


def test_without_a_version_there_is_nothing_to_continue(
    session: TenantSession, model: RegisteredModel, operator: Principal
) -> None:
    cycle = propose(session, principal=operator, model=model, recipe=Recipe(methods=(Method.CONTINUE,), blends=(0.5,)))
    recipe = Recipe.model_validate(cycle.recipe)
    assert (recipe.methods, recipe.blends, cycle.parent_version_id) == ((Method.FROM_BASE,), (1.0,), None)


def test_with_a_version_the_plan_names_its_parent(
    session: TenantSession, workshop: Workshop, model: RegisteredModel, operator: Principal
) -> None:
    version = workshop.version(session, "1.0")
    point(session, model, Alias.PRODUCTION, version.id)
    cycle = propose(session, principal=operator, model=model, recipe=Recipe(blends=(0.5,)))
    recipe = Recipe.model_validate(cycle.recipe)
    assert (recipe.methods, recipe.blends) == ((Method.CONTINUE,), (0.5,))
    assert (cycle.parent_version_id, cycle.trigger) == (version.id, Trigger.MANUAL)


def test_an_empty_golden_or_training_set_is_refused_with_what_to_do(
    session: TenantSession, database: Database, workshop: Workshop, operator: Principal
) -> None:
    with pytest.raises(InvalidInput, match="training set is empty; import"):
        propose(session, principal=operator, model=workshop.model, recipe=Recipe())
    bare = make_model(database, workshop.client, workshop.base, slug="bare")
    with pytest.raises(InvalidInput, match="golden set is empty; import"):
        propose(session, principal=operator, model=bare, recipe=Recipe())


def test_one_cycle_at_a_time(session: TenantSession, model: RegisteredModel, operator: Principal) -> None:
    first = propose(session, principal=operator, model=model, recipe=Recipe())
    with pytest.raises(Conflict, match=f"cycle {first.id} .* proposed; finish or reject"):
        propose(session, principal=operator, model=model, recipe=Recipe())
    assert cycles_of(session, model) == [first]


def test_an_unknown_alert_is_not_found(session: TenantSession, model: RegisteredModel, operator: Principal) -> None:
    with pytest.raises(NotFound, match="no alert"):
        propose(session, principal=operator, model=model, recipe=Recipe(), alert_id=new_id())


def test_a_viewer_proposes_nothing(session: TenantSession, model: RegisteredModel, agency: Agency) -> None:
    viewer = Principal(agency.id, Role.VIEWER, ActorKind.USER, None, "Vera", "test")
    with pytest.raises(NotAllowed):
        propose(session, principal=viewer, model=model, recipe=Recipe())


PARTS: dict[str, dict[str, Any]] = {
    "contract": {"contract": SUPPORT.model_copy(update={"system_prompt": "Other."})},
    "recipe": {"recipe": Recipe(seed=1)},
    "training": {"training": "9" * 64},
    "golden": {"golden": "9" * 64},
    "parent": {"parent": "9" * 64},
}


@pytest.mark.parametrize("part", PARTS)
def test_a_plan_s_digest_depends_on_every_part(part: str) -> None:
    plan: dict[str, Any] = {
        "contract": SUPPORT,
        "recipe": Recipe(),
        "training": "1" * 64,
        "golden": "2" * 64,
        "parent": None,
    }
    assert plan_digest(**plan) == plan_digest(**plan)
    assert plan_digest(**(plan | PARTS[part])) != plan_digest(**plan)


def _approved(session: TenantSession, workshop: Workshop, operator: Principal) -> RetrainingCycle:
    return approve_retrain(session, principal=operator, cycle_id=workshop.asked(session), digest=PLAN)


def test_cancelling_before_the_step_runs_ends_the_cycle(
    session: TenantSession, workshop: Workshop, operator: Principal
) -> None:
    cycle = _approved(session, workshop, operator)
    cancel(session, principal=operator, cycle_id=cycle.id)
    assert (cycle.state, cycle.failure) == (CycleState.FAILED, "cancelled")
    assert session.get_one(JobRow, cycle.job_id).state == JobState.CANCELLED
    with pytest.raises(Conflict, match="nothing runs"):
        cancel(session, principal=operator, cycle_id=cycle.id)


def test_cancelling_a_running_step_asks_it_to_stop(
    session: TenantSession, workshop: Workshop, operator: Principal
) -> None:
    cycle = _approved(session, workshop, operator)
    assert cycle.job_id is not None
    claim(session, cycle.job_id, worker="w")
    cancel(session, principal=operator, cycle_id=cycle.id)
    assert cycle.state is CycleState.APPROVED
    assert session.exec(select(JobRow.cancel_requested)).one() is True


def test_a_cycle_that_only_waits_has_nothing_to_cancel(
    session: TenantSession, workshop: Workshop, operator: Principal
) -> None:
    with pytest.raises(Conflict, match="nothing runs"):
        cancel(session, principal=operator, cycle_id=workshop.asked(session))

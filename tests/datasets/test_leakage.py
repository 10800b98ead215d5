"""What measures a model never trains it, in either direction, at import and at the snapshot."""

from uuid import UUID

import pytest

from tests.datasets.collecting import put
from tests.support.checks import mark_checked
from tests.support.factories import make_model
from tuneloop.audit.service import events
from tuneloop.datasets.row import ProblemKind
from tuneloop.datasets.service import add_example, counts, list_examples, retire, take_snapshot
from tuneloop.kit.db import Database
from tuneloop.kit.errors import Conflict, InvalidInput, NotFound
from tuneloop.kit.ids import new_id
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.templates import Message
from tuneloop.tables import BaseModel, Client, Pool, RegisteredModel, Source

pytestmark = pytest.mark.failure_case(20)

LONG = ("The zip of my tent broke on the second night in the rain", "repair")
SAME = ("the zip of my tent broke, on the second night in the rain!!", "repair")
NEAR = ("The zip of my tent broke on the first night in the rain", "repair")
OTHER = ("I would like to know when my parcel arrives", "order")
PAIRS = [
    (Pool.GOLDEN, Pool.TRAINING),
    (Pool.TRAINING, Pool.GOLDEN),
    (Pool.ROLLING, Pool.TRAINING),
    (Pool.TRAINING, Pool.ROLLING),
    (Pool.GOLDEN, Pool.ROLLING),
]


def ids(session: TenantSession, model: RegisteredModel, pool: Pool) -> list[UUID]:
    return [example.id for example in list_examples(session, model=model, pool=pool)]


def move(session: TenantSession, model: RegisteredModel, pool: Pool) -> None:
    """Put every example into a pool past all checks, as a defect would."""
    for example in list_examples(session, model=model):
        example.pool = pool
        session.add(example)
    session.flush()


@pytest.mark.parametrize(("first", "second"), PAIRS)
@pytest.mark.parametrize(("copy", "how"), [(LONG, "the same as"), (SAME, "the same as"), (NEAR, "nearly the same as")])
def test_a_copy_in_another_pool_is_refused_with_line_and_text(
    session: TenantSession, model: RegisteredModel, first: Pool, second: Pool, copy: tuple[str, str], how: str
) -> None:
    put(session, model, first, LONG)
    with pytest.raises(InvalidInput) as error:
        put(session, model, second, OTHER, copy)
    (problem,) = error.value.details["problems"]
    assert problem == {
        "line": 2,
        "kind": ProblemKind.LEAKAGE,
        "message": f"the text is {how} '{LONG[0]}' in {first}; "
        "what measures a model must not train it, so remove one of the two",
    }
    assert ids(session, model, second) == []


def test_partial_leaves_the_copies_out(session: TenantSession, model: RegisteredModel) -> None:
    put(session, model, Pool.GOLDEN, LONG)
    report = put(session, model, Pool.TRAINING, NEAR, OTHER, partial=True)
    assert (report.added, [problem.line for problem in report.problems]) == (1, [1])


def test_the_context_of_the_question_does_not_hide_a_copy(
    session: TenantSession, model: RegisteredModel, principal: Principal
) -> None:
    put(session, model, Pool.GOLDEN, LONG)
    messages = [Message(role="system", content="Customer since 2019."), Message(role="user", content=LONG[0])]
    with pytest.raises(Conflict, match="the text is the same as"):
        add_example(
            session,
            principal=principal,
            model=model,
            pool=Pool.TRAINING,
            messages=messages,
            expected="repair",
            source=Source.CORRECTION,
        )


def test_near_duplicates_may_share_a_pool(session: TenantSession, model: RegisteredModel) -> None:
    assert put(session, model, Pool.TRAINING, LONG, NEAR).added == 2


def test_other_models_do_not_collide(
    session: TenantSession, model: RegisteredModel, database: Database, client_row: Client, base: BaseModel
) -> None:
    put(session, model, Pool.GOLDEN, LONG)
    other = make_model(database, client_row, base, "returns")
    assert put(session, other, Pool.TRAINING, LONG).added == 1


def test_a_copy_far_into_a_large_file_is_found(session: TenantSession, model: RegisteredModel) -> None:
    filler = [(f"request {number} concerns {number * 7919} things", "order") for number in range(1_100)]
    put(session, model, Pool.TRAINING, *filler, LONG)
    report = put(session, model, Pool.GOLDEN, OTHER, NEAR, partial=True)
    assert [problem.line for problem in report.problems] == [2]


@pytest.mark.parametrize("measuring", [Pool.GOLDEN, Pool.ROLLING])
@pytest.mark.parametrize("snapshot_of_training", [True, False])
def test_a_snapshot_checks_again(
    session: TenantSession, model: RegisteredModel, measuring: Pool, snapshot_of_training: bool
) -> None:
    put(session, model, Pool.TRAINING, LONG)
    move(session, model, measuring)
    put(session, model, measuring, NEAR)
    (first, _) = list_examples(session, model=model)
    first.pool = Pool.TRAINING
    mark_checked(session, model)
    with pytest.raises(Conflict, match="what measures a model must not train it, so delete one of the two") as error:
        take_snapshot(session, model=model, pool=Pool.TRAINING if snapshot_of_training else measuring)
    (collision,) = error.value.details["collisions"]
    assert {collision["example"], collision["other"]} == {str(each.id) for each in list_examples(session, model=model)}


def test_retired_rolling_examples_train(session: TenantSession, model: RegisteredModel, principal: Principal) -> None:
    put(session, model, Pool.ROLLING, LONG, OTHER)
    first, second = ids(session, model, Pool.ROLLING)
    (moved,) = retire(session, principal=principal, model=model, example_ids=[first, first])
    assert (moved.id, moved.pool) == (first, Pool.TRAINING)
    assert ids(session, model, Pool.ROLLING) == [second]
    assert [event.action for event in events(session, subject_id=str(first))] == ["example.retire"]
    with pytest.raises(Conflict, match="1 training example has not been checked yet"):
        take_snapshot(session, model=model, pool=Pool.TRAINING)
    mark_checked(session, model)
    assert take_snapshot(session, model=model, pool=Pool.TRAINING).size == 1


def test_near_duplicates_retire_together_or_not_at_all(
    session: TenantSession, model: RegisteredModel, principal: Principal
) -> None:
    put(session, model, Pool.ROLLING, LONG, NEAR)
    both = ids(session, model, Pool.ROLLING)
    with pytest.raises(Conflict, match=r"nearly the same as .* in rolling"):
        retire(session, principal=principal, model=model, example_ids=both[:1])
    assert len(retire(session, principal=principal, model=model, example_ids=both)) == 2


@pytest.mark.parametrize("pool", [Pool.GOLDEN, Pool.TRAINING])
def test_only_the_rolling_set_retires(
    session: TenantSession, model: RegisteredModel, principal: Principal, pool: Pool
) -> None:
    put(session, model, pool, LONG)
    with pytest.raises(Conflict, match=f"is in {pool}; only the rolling set retires"):
        retire(session, principal=principal, model=model, example_ids=ids(session, model, pool))
    assert [each.pool for each in counts(session, model=model)] == [pool]


def test_an_unknown_example_does_not_retire(
    session: TenantSession, model: RegisteredModel, principal: Principal
) -> None:
    with pytest.raises(NotFound):
        retire(session, principal=principal, model=model, example_ids=[new_id()])

"""Snapshots: frozen, named by content, in an order that depends on content alone."""

import pytest
from sqlmodel import select

from tests.datasets.collecting import put
from tests.support.factories import make_model
from tuneloop.datasets.deletion import delete_example
from tuneloop.datasets.service import list_examples, list_snapshots, snapshot_examples, take_snapshot
from tuneloop.kit.db import Database
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import BaseModel, Client, Pool, RegisteredModel, Snapshot, SnapshotItem

ROWS = [
    ("Where is my parcel?", "order"),
    ("I want my money back", "refund"),
    ("The zip is broken", "repair"),
    ("Has it shipped?", "order"),
]


def take(session: TenantSession, model: RegisteredModel, pool: Pool = Pool.TRAINING) -> Snapshot:
    return take_snapshot(session, model=model, pool=pool)


def texts(session: TenantSession, snapshot: Snapshot) -> list[str]:
    return [example.messages[0]["content"] for example in snapshot_examples(session, snapshot)]


def test_an_empty_pool_has_no_snapshot(session: TenantSession, model: RegisteredModel) -> None:
    with pytest.raises(InvalidInput, match="the golden set is empty; import examples first"):
        take(session, model, Pool.GOLDEN)


def test_a_snapshot_holds_the_pool_and_counts_its_categories(session: TenantSession, model: RegisteredModel) -> None:
    put(session, model, Pool.TRAINING, *ROWS)
    put(session, model, Pool.GOLDEN, ("Too small for me", "refund"))
    snapshot = take(session, model)
    assert sorted(texts(session, snapshot)) == sorted(text for text, _ in ROWS)
    assert (snapshot.size, snapshot.categories) == (4, {"order": 2, "refund": 1, "repair": 1})


def test_the_same_content_is_the_same_snapshot(session: TenantSession, model: RegisteredModel) -> None:
    put(session, model, Pool.TRAINING, *ROWS)
    assert take(session, model).id == take(session, model).id
    assert len(session.exec(select(SnapshotItem)).all()) == len(ROWS)


def test_later_examples_do_not_change_a_snapshot(session: TenantSession, model: RegisteredModel) -> None:
    put(session, model, Pool.TRAINING, *ROWS[:2])
    before = take(session, model)
    put(session, model, Pool.TRAINING, *ROWS)
    after = take(session, model)
    assert before.digest != after.digest
    assert sorted(texts(session, before)) == sorted(text for text, _ in ROWS[:2])
    assert {each.id for each in list_snapshots(session, model=model)} == {before.id, after.id}


def test_digest_and_order_do_not_depend_on_when_or_where_examples_came(
    session: TenantSession, model: RegisteredModel, database: Database, client_row: Client, base: BaseModel
) -> None:
    other = make_model(database, client_row, base, "other")
    put(session, model, Pool.TRAINING, *ROWS)
    put(session, other, Pool.TRAINING, *reversed(ROWS))
    here, there = take(session, model), take(session, other)
    assert here.digest == there.digest
    assert texts(session, here) == texts(session, there)


@pytest.mark.parametrize(
    "changed", [("Where is my parcel?", "repair"), ("Where is my parcel", "order"), ("Where is my box?", "order")]
)
def test_a_changed_character_changes_the_digest(
    session: TenantSession,
    model: RegisteredModel,
    database: Database,
    client_row: Client,
    base: BaseModel,
    changed: tuple[str, str],
) -> None:
    other = make_model(database, client_row, base, "other")
    put(session, model, Pool.TRAINING, *ROWS)
    put(session, other, Pool.TRAINING, changed, *ROWS[1:])
    assert take(session, model).digest != take(session, other).digest


def test_the_pool_is_part_of_the_digest(
    session: TenantSession, model: RegisteredModel, database: Database, client_row: Client, base: BaseModel
) -> None:
    other = make_model(database, client_row, base, "other")
    put(session, model, Pool.TRAINING, *ROWS)
    put(session, other, Pool.GOLDEN, *ROWS)
    assert take(session, model).digest != take(session, other, Pool.GOLDEN).digest


def test_a_snapshot_that_lost_an_example_is_not_taken_for_the_whole(
    session: TenantSession, model: RegisteredModel, principal: Principal
) -> None:
    put(session, model, Pool.TRAINING, *ROWS)
    before = take(session, model)
    order = texts(session, before)
    gone = list_examples(session, model=model)[1]
    delete_example(session, principal=principal, model=model, example_id=gone.id)
    put(session, model, Pool.TRAINING, *ROWS)
    after = take(session, model)
    assert len(texts(session, before)) == len(ROWS) - 1
    assert texts(session, after) == order
    assert after.digest != before.digest
    assert take(session, model).id == after.id

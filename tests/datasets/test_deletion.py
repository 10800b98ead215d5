"""Deleting an example: the text is gone, a tombstone stays, the versions that saw it are listed."""

import pytest
from sqlmodel import select

from tests.datasets.collecting import put
from tests.support.world import make_version, manifest
from tuneloop.audit.service import events
from tuneloop.datasets.deletion import delete_example
from tuneloop.datasets.service import counts, list_examples, snapshot_examples, take_snapshot
from tuneloop.kit.errors import NotAllowed, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import ActorKind, AdapterVersion, BaseModel, Example, Pool, RegisteredModel, Role, Snapshot

FIRST = ("The zip of my tent broke on the second night in the rain", "repair")
SECOND = ("I want my money back", "refund")


def version(
    session: TenantSession,
    model: RegisteredModel,
    base: BaseModel,
    number: str,
    snapshot: Snapshot,
    parent: AdapterVersion | None = None,
) -> AdapterVersion:
    made = make_version(model, manifest(base, engine=number), number, snapshot)
    made.parent_id = parent.id if parent else None
    session.add(made)
    session.flush()
    return made


def find(session: TenantSession, text: str) -> Example:
    return next(each for each in session.exec(select(Example)) if each.messages[0]["content"] == text)


def test_a_tombstone_keeps_the_hash_and_no_text(
    session: TenantSession, model: RegisteredModel, principal: Principal
) -> None:
    put(session, model, Pool.TRAINING, FIRST)
    example = find(session, FIRST[0])
    content_hash = example.content_hash
    delete_example(session, principal=principal, model=model, example_id=example.id)
    session.expire_all()
    (tombstone,) = session.exec(select(Example)).all()
    assert (tombstone.messages, tombstone.expected, tombstone.minhash) == ([], "", b"")
    assert tombstone.content_hash == content_hash
    assert tombstone.deleted_at is not None


def test_the_versions_that_saw_it_are_listed_with_their_heirs(
    session: TenantSession, model: RegisteredModel, base: BaseModel, principal: Principal
) -> None:
    put(session, model, Pool.TRAINING, SECOND)
    without = take_snapshot(session, model=model, pool=Pool.TRAINING)
    put(session, model, Pool.TRAINING, FIRST)
    with_it = take_snapshot(session, model=model, pool=Pool.TRAINING)
    innocent = version(session, model, base, "1.0", without)
    trained = version(session, model, base, "1.1", with_it, innocent)
    version(session, model, base, "2.0", without)
    version(session, model, base, "1.2", without, trained)
    example = find(session, FIRST[0])
    saw = delete_example(session, principal=principal, model=model, example_id=example.id)
    assert [each.number for each in saw] == ["1.1", "1.2"]
    session.flush()
    (event,) = events(session, subject_id=str(example.id))
    assert (event.action, event.detail) == ("example.delete", {"seen_by_versions": ["1.1", "1.2"]})


def test_a_deleted_example_is_in_no_list_count_or_snapshot(
    session: TenantSession, model: RegisteredModel, principal: Principal
) -> None:
    put(session, model, Pool.TRAINING, FIRST, SECOND)
    snapshot = take_snapshot(session, model=model, pool=Pool.TRAINING)
    delete_example(session, principal=principal, model=model, example_id=find(session, FIRST[0]).id)
    assert [each.expected for each in list_examples(session, model=model)] == ["refund"]
    assert [each.category for each in counts(session, model=model)] == ["refund"]
    assert [each.expected for each in snapshot_examples(session, snapshot)] == ["refund"]


def test_a_deleted_example_blocks_no_other(
    session: TenantSession, model: RegisteredModel, principal: Principal
) -> None:
    put(session, model, Pool.TRAINING, FIRST)
    delete_example(session, principal=principal, model=model, example_id=find(session, FIRST[0]).id)
    assert put(session, model, Pool.GOLDEN, FIRST).added == 1


def test_deleting_twice_answers_like_never_there(
    session: TenantSession, model: RegisteredModel, principal: Principal
) -> None:
    put(session, model, Pool.TRAINING, FIRST)
    example = find(session, FIRST[0])
    delete_example(session, principal=principal, model=model, example_id=example.id)
    with pytest.raises(NotFound):
        delete_example(session, principal=principal, model=model, example_id=example.id)


def test_a_viewer_may_not_delete(session: TenantSession, model: RegisteredModel) -> None:
    put(session, model, Pool.TRAINING, FIRST)
    viewer = Principal(model.agency_id, Role.VIEWER, ActorKind.USER, None, "Vera", "test")
    with pytest.raises(NotAllowed):
        delete_example(session, principal=viewer, model=model, example_id=find(session, FIRST[0]).id)

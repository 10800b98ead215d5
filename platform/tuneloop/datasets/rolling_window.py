"""Labelled answers measure for some weeks, then they may train: never both at once."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.datasets.leakage import Sketched, collisions, lock_pools, stored_text
from tuneloop.datasets.service import retire
from tuneloop.kit.clock import now
from tuneloop.kit.principal import Principal
from tuneloop.registry.service import policy_of
from tuneloop.tables import Example, Pool, RegisteredModel

MEASURING = frozenset({Pool.GOLDEN, Pool.ROLLING})


def retire_due(session: Session, *, principal: Principal, model: RegisteredModel) -> list[Example]:
    """Move what has measured for the policy's weeks to training; near-duplicates of what goes on measuring stay."""
    lock_pools(session, model)
    return retire_free(session, principal=principal, model=model, examples=due_examples(session, model))


def retire_free(
    session: Session, *, principal: Principal, model: RegisteredModel, examples: Sequence[Example]
) -> list[Example]:
    """Move those rolling examples to training that are not near-duplicates of what goes on measuring."""
    leaving = {example.id: example for example in examples}
    while leaving and (stuck := _near_to_measuring(session, model, list(leaving.values()))):
        for example_id in stuck:
            del leaving[example_id]
    return retire(session, principal=principal, model=model, example_ids=list(leaving)) if leaving else []


def due_examples(session: Session, model: RegisteredModel) -> list[Example]:
    before = now() - timedelta(weeks=policy_of(model).rolling_weeks)
    query = select(Example).where(
        Example.model_id == model.id,
        Example.pool == Pool.ROLLING,
        col(Example.added_at) <= before,
        col(Example.deleted_at).is_(None),
    )
    return list(session.exec(query.order_by(col(Example.added_at), col(Example.id))))


def _near_to_measuring(session: Session, model: RegisteredModel, examples: list[Example]) -> list[UUID]:
    batch = [Sketched(stored_text(example.messages), example.minhash) for example in examples]
    ids = [example.id for example in examples]
    found = collisions(session, model_id=model.id, pools=MEASURING, batch=batch, leaving=ids)
    return [ids[index] for index in found]

"""Another text or answer for an example: in its place, or in a new row where a snapshot holds the old one."""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from tuneloop.datasets.deletion import delete_example
from tuneloop.datasets.leakage import Sketched, collisions, excerpt, lock_pools, user_text
from tuneloop.datasets.minhash import sketch
from tuneloop.datasets.scanning import scan_soon
from tuneloop.datasets.similarity import content_hash, shingles
from tuneloop.kit.errors import Conflict
from tuneloop.kit.principal import Principal
from tuneloop.registry.templates import Message
from tuneloop.tables import Example, Pool, RegisteredModel, SnapshotItem


def rewrite(
    session: Session,
    *,
    principal: Principal,
    model: RegisteredModel,
    example: Example,
    messages: Sequence[Message],
    expected: str,
) -> Example:
    """What is in a snapshot is never edited: there the old text goes, as if deleted, and a new example takes over.

    Raises:
        Conflict: the new text is that of another example, or nearly that of one in another pool.
    """
    lock_pools(session, model)
    category = expected if example.category == example.expected else example.category
    changed = _copy(example) if _is_frozen(session, example) else example
    if changed is not example:
        delete_example(session, principal=principal, model=model, example_id=example.id)
    text = user_text(messages)
    changed.messages = [message.model_dump() for message in messages]
    changed.content_hash = content_hash(part for message in messages for part in (message.role, message.content))
    changed.minhash = sketch(shingles(text))
    changed.expected, changed.category, changed.checked_at = expected, category, None
    _refuse_collisions(session, model, changed, text)
    session.add(changed)
    session.flush()
    if changed.pool is Pool.TRAINING:
        scan_soon(session, model)
    return changed


def _is_frozen(session: Session, example: Example) -> bool:
    return (
        session.exec(select(SnapshotItem.id).where(SnapshotItem.example_id == example.id).limit(1)).first() is not None
    )


def _copy(example: Example) -> Example:
    return Example(
        client_id=example.client_id,
        model_id=example.model_id,
        pool=example.pool,
        messages=[],
        expected="",
        category="",
        source=example.source,
        content_hash="",
        minhash=b"",
        prediction_id=example.prediction_id,
        added_by=example.added_by,
        retired_at=example.retired_at,
    )


def _refuse_collisions(session: Session, model: RegisteredModel, changed: Example, text: str) -> None:
    with session.no_autoflush:
        same = session.exec(
            select(Example).where(
                Example.model_id == model.id,
                Example.content_hash == changed.content_hash,
                Example.id != changed.id,
                col(Example.deleted_at).is_(None),
            )
        ).first()
        others = set(Pool) - {changed.pool}
        near = collisions(session, model_id=model.id, pools=others, batch=[Sketched(text, changed.minhash)])
    if same is not None:
        raise Conflict(f"{excerpt(text)!r} is there already; delete this example instead", other=str(same.id))
    if near:
        raise Conflict(f"{excerpt(text)!r} would be {near[0]}; delete one of the two", other=str(near[0].other.id))

"""What measures a model never trains it: finds near-duplicates between the pools of a model."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.datasets.minhash import candidates
from tuneloop.datasets.similarity import NEAR_DUPLICATE, Shingles, overlap, shingles
from tuneloop.registry.templates import Message
from tuneloop.tables import Example, Pool, RegisteredModel

_AT_ONCE = 1_000
_SHOWN = 80


class Collision(NamedTuple):
    other: Example
    overlap: float

    def __str__(self) -> str:
        how = "the same as" if self.overlap == 1.0 else "nearly the same as"
        return f"{how} {excerpt(stored_text(self.other.messages))!r} in {self.other.pool}"


class Sketched(NamedTuple):
    text: str
    sketch: bytes


def user_text(messages: Sequence[Message]) -> str:
    """What near-duplicates are judged by: everything that the user wrote."""
    return "\n".join(message.content for message in messages if message.role == "user")


def stored_text(messages: Sequence[Mapping[str, Any]]) -> str:
    """`user_text` of messages as rows keep them, without building each."""
    return "\n".join(message["content"] for message in messages if message["role"] == "user")


def stored_messages(example: Example) -> tuple[Message, ...]:
    return tuple(Message.model_validate(message) for message in example.messages)


def excerpt(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def lock_pools(session: Session, model: RegisteredModel) -> None:
    """One change of a model's pools at a time, so that two changes cannot put one text into two pools."""
    query = select(RegisteredModel.id).where(RegisteredModel.id == model.id)
    session.exec(query.with_for_update(key_share=True)).one()


def collisions(
    session: Session,
    *,
    model_id: UUID,
    pools: Collection[Pool],
    batch: Sequence[Sketched],
    leaving: Collection[UUID] = (),
) -> dict[int, Collision]:
    """By index in the batch, one near-duplicate among the live examples of the pools, those `leaving` not counted."""
    found: dict[int, Collision] = {}
    own: dict[int, Shingles] = {}
    for ids, sketches in _sketches(session, model_id, pools, leaving):
        pairs = sorted(pair for pair in candidates([each.sketch for each in batch], sketches) if pair[0] not in found)
        others = _examples(session, {ids[j] for _, j in pairs})
        theirs = {j: shingles(stored_text(others[ids[j]].messages)) for j in {j for _, j in pairs}}
        for i, j in pairs:
            if i in found:
                continue
            if i not in own:
                own[i] = shingles(batch[i].text)
            shared = overlap(own[i], theirs[j])
            if shared >= NEAR_DUPLICATE:
                found[i] = Collision(others[ids[j]], shared)
    return found


def _sketches(
    session: Session, model_id: UUID, pools: Collection[Pool], leaving: Collection[UUID]
) -> Iterator[tuple[list[UUID], list[bytes]]]:
    query = select(Example.id, Example.minhash).where(
        Example.model_id == model_id, col(Example.pool).in_(pools), col(Example.deleted_at).is_(None)
    )
    if leaving:
        query = query.where(col(Example.id).not_in(leaving))
    rows = iter(session.exec(query, execution_options={"yield_per": _AT_ONCE}))
    while chunk := list(islice(rows, _AT_ONCE)):
        yield [row[0] for row in chunk], [row[1] for row in chunk]


def _examples(session: Session, ids: Collection[UUID]) -> dict[UUID, Example]:
    if not ids:
        return {}
    return {each.id: each for each in session.exec(select(Example).where(col(Example.id).in_(ids)))}

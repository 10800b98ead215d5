"""The quarantine ledger: which example was added to, moved between and taken from which set, when and by whom.

It is read from the audit log, to which rows are only ever added. And the lineage of one example.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Text, cast
from sqlmodel import Session, col, select

from tuneloop.datasets.deletion import versions_that_saw
from tuneloop.kit.errors import NotFound
from tuneloop.tables import (
    AdapterVersion,
    AuditEvent,
    Example,
    Pool,
    Prediction,
    RegisteredModel,
    ReviewItem,
    ReviewLabel,
)

MOVES = {"example.add", "example.retire", "example.delete", "examples.import"}


class Move(NamedTuple):
    """`before` is None for what was added, `after` None for what was deleted; an import moves `n` at once."""

    at: datetime
    actor: str
    example_id: UUID | None
    n: int
    before: Pool | None
    after: Pool | None
    source: str


class Lineage(NamedTuple):
    """Where an example comes from, and which versions learned from it."""

    example: Example
    prediction: Prediction | None
    items: list[ReviewItem]
    labels: list[ReviewLabel]
    moves: list[Move]
    versions: list[AdapterVersion]


def ledger(session: Session, model: RegisteredModel, *, limit: int = 200) -> list[Move]:
    """Newest first."""
    own = select(cast(Example.id, Text)).where(Example.model_id == model.id)
    query = select(AuditEvent).where(
        col(AuditEvent.action).in_(MOVES),
        ((col(AuditEvent.subject_kind) == "example") & col(AuditEvent.subject_id).in_(own))
        | ((col(AuditEvent.subject_kind) == "model") & (col(AuditEvent.subject_id) == str(model.id))),
    )
    found = session.exec(query.order_by(col(AuditEvent.at).desc(), col(AuditEvent.id).desc()).limit(limit)).all()
    return [_move(event) for event in found]


def lineage(session: Session, model: RegisteredModel, example_id: UUID) -> Lineage:
    """Also of a deleted example, whose text is gone. Raises NotFound."""
    example = session.exec(select(Example).where(Example.id == example_id, Example.model_id == model.id)).one_or_none()
    if example is None:
        raise NotFound("example", example_id)
    items = list(session.exec(select(ReviewItem).where(ReviewItem.example_id == example_id)))
    labels = session.exec(
        select(ReviewLabel)
        .where(col(ReviewLabel.item_id).in_([item.id for item in items]), col(ReviewLabel.undone_at).is_(None))
        .order_by(col(ReviewLabel.at))
    ).all()
    events = session.exec(
        select(AuditEvent)
        .where(
            col(AuditEvent.action).in_(MOVES),
            AuditEvent.subject_kind == "example",
            AuditEvent.subject_id == str(example_id),
        )
        .order_by(col(AuditEvent.at))
    ).all()
    prediction = session.get(Prediction, example.prediction_id) if example.prediction_id else None
    versions = versions_that_saw(session, model, example_id)
    return Lineage(example, prediction, items, list(labels), [_move(event) for event in events], versions)


def _move(event: AuditEvent) -> Move:
    pool = event.detail.get("pool")
    deleted = event.action == "example.delete"
    before = event.detail.get("before")
    return Move(
        at=event.at,
        actor=event.actor_name,
        example_id=UUID(event.subject_id) if event.subject_kind == "example" else None,
        n=int(event.detail.get("added", 1)),
        before=Pool(before) if before else None,
        after=None if deleted or pool is None else Pool(pool),
        source=str(event.detail.get("source", "import" if event.action == "examples.import" else event.action)),
    )

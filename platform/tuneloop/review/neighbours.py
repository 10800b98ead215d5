"""Labelled examples that are most like an item: context that keeps labels consistent, and no answer of the model."""

from typing import NamedTuple

from sqlmodel import Session, col, select

from tuneloop.datasets.leakage import excerpt, stored_text, user_text
from tuneloop.registry.templates import Message
from tuneloop.review.tfidf import vectors
from tuneloop.tables import Example, ReviewItem

LOOKED_AT = 1_500
LEAST_ALIKE = 0.15


class Neighbour(NamedTuple):
    text: str
    expected: str
    similarity: float


def neighbours(session: Session, item: ReviewItem, *, limit: int = 3) -> list[Neighbour]:
    """Most similar first, of the model's latest examples; the item's own is left out."""
    query = select(Example.messages, Example.expected).where(
        Example.model_id == item.model_id, col(Example.deleted_at).is_(None)
    )
    if item.prediction_id is not None:
        query = query.where(col(Example.prediction_id).is_distinct_from(item.prediction_id))
    known = session.exec(query.order_by(col(Example.id).desc()).limit(LOOKED_AT)).all()
    own = user_text([Message.model_validate(message) for message in item.messages])
    texts = [stored_text(messages) for messages, _ in known]
    if not known or not own:
        return []
    points = vectors([own, *texts])
    alike = points[1:] @ points[0]
    best = sorted(range(len(known)), key=lambda index: -alike[index])[:limit]
    return [
        Neighbour(excerpt(texts[index]), known[index][1], round(float(alike[index]), 3))
        for index in best
        if alike[index] >= LEAST_ALIKE
    ]

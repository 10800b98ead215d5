"""What is worth labelling beyond the random sample: unsure and new answers, contradictions, what users flagged."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

import numpy as np
from sqlalchemy import ColumnElement
from sqlmodel import Session, col, func, select

from tuneloop.datasets.leakage import stored_text, user_text
from tuneloop.kit.clock import now
from tuneloop.predictions.erased import has_text
from tuneloop.predictions.service import says_wrong
from tuneloop.registry.contract import Task
from tuneloop.registry.service import contract_of
from tuneloop.registry.templates import Message
from tuneloop.review.items import item_of
from tuneloop.review.tfidf import Vectors, k_centre, vectors
from tuneloop.tables import (
    Example,
    Feedback,
    FeedbackState,
    Pool,
    Prediction,
    RegisteredModel,
    ReviewItem,
    ReviewPurpose,
    Source,
)

POOL_FACTOR = 8
MOST_LOOKED_AT = 1_500
LOOK_BACK = timedelta(days=60)
ALIKE = 0.5
"""Cosine from which the label of the most similar example counts as a contradiction."""


class Considered(NamedTuple):
    predictions: list[Prediction]
    points: Vectors


def flagged(session: Session, model: RegisteredModel, free: ColumnElement[bool], wanted: int) -> list[ReviewItem]:
    """Answers that users corrected or reported, corrections first."""
    query = (
        select(Feedback, Prediction)
        .join(Prediction, col(Prediction.id) == Feedback.prediction_id)
        .where(Feedback.model_id == model.id, Feedback.state == FeedbackState.OPEN, says_wrong(), free)
        .order_by(col(Feedback.at), col(Feedback.id))
    )
    by_answer: dict[object, list[tuple[Feedback, Prediction]]] = {}
    for feedback, prediction in session.exec(query):
        by_answer.setdefault(prediction.id, []).append((feedback, prediction))
    latest = sorted(by_answer.values(), key=lambda rows: (_corrected(rows), rows[-1][0].at), reverse=True)[:wanted]
    return [_flagged_item(rows, rank=1 - index / len(latest)) for index, rows in enumerate(latest)]


def consider(session: Session, model: RegisteredModel, free: ColumnElement[bool], wanted: int) -> Considered:
    """The least confident of the free answers, several times as many as are wanted; any where nobody tells it."""
    query = (
        select(Prediction)
        .where(Prediction.model_id == model.id, col(Prediction.at) > now() - LOOK_BACK, free, has_text())
        .order_by(col(Prediction.confidence).asc().nulls_last(), func.md5(func.uuid_send(Prediction.id)))
        .limit(min(MOST_LOOKED_AT, POOL_FACTOR * wanted))
    )
    found = list(session.exec(query))
    return Considered(found, vectors([text_of(prediction) for prediction in found]))


def contradicting(
    session: Session, model: RegisteredModel, considered: Considered, wanted: int
) -> list[tuple[int, float]]:
    """Indexes of answers that differ from the label of the most similar example, with their similarity, best first."""
    if contract_of(model).task is not Task.CLASSIFY or not considered.predictions or wanted <= 0:
        return []
    query = select(Example).where(
        Example.model_id == model.id, Example.pool == Pool.TRAINING, col(Example.deleted_at).is_(None)
    )
    known = list(session.exec(query.order_by(col(Example.id).desc()).limit(MOST_LOOKED_AT)))
    if not known:
        return []
    texts = [text_of(each) for each in considered.predictions] + [stored_text(each.messages) for each in known]
    joined = vectors(texts)
    alike = joined[: len(considered.predictions)] @ joined[len(considered.predictions) :].T
    nearest = alike.argmax(axis=1)
    found = [
        (index, float(alike[index, nearest[index]]))
        for index, prediction in enumerate(considered.predictions)
        if alike[index, nearest[index]] >= ALIKE and known[nearest[index]].expected != prediction.answer
    ]
    return sorted(found, key=lambda each: -each[1])[:wanted]


def uncertain(considered: Considered, wanted: int, *, without: Sequence[int], taken: Sequence[str]) -> list[ReviewItem]:
    """Unsure answers that are unlike each other and unlike what is in the queue already (greedy k-centre)."""
    left = [index for index in range(len(considered.predictions)) if index not in set(without)]
    if not left or wanted <= 0:
        return []
    rows = [considered.predictions[index] for index in left]
    doubts = np.array([1 - (row.confidence if row.confidence is not None else 0.5) for row in rows])
    chosen = k_centre(considered.points[left], doubts + 1e-3, wanted, taken=vectors(taken) if taken else None)
    return [
        item_of(
            rows[index],
            ReviewPurpose.UNCERTAIN,
            f"{_unsure(rows[index])}, and no answer in the queue is like it.",
            rank=1 - place / len(chosen),
        )
        for place, index in enumerate(chosen)
    ]


def contradiction_item(prediction: Prediction, alike: float) -> ReviewItem:
    return item_of(
        prediction,
        ReviewPurpose.UNCERTAIN,
        f"The most similar training example (similarity {alike:.2f}) has another label than the model gave.",
        rank=alike,
    )


def text_of(prediction: Prediction) -> str:
    return user_text([Message.model_validate(message) for message in prediction.messages])


def _corrected(rows: Sequence[tuple[Feedback, Prediction]]) -> bool:
    return any(feedback.correction is not None for feedback, _ in rows)


def _flagged_item(rows: Sequence[tuple[Feedback, Prediction]], *, rank: float) -> ReviewItem:
    prediction = rows[0][1]
    corrections = [feedback.correction for feedback, _ in rows if feedback.correction is not None]
    people = f"{len(rows)} users say" if len(rows) > 1 else "A user says"
    reason = f"{people} what the answer should have been." if corrections else f"{people} that the answer is wrong."
    answers = {"users": corrections, "feedback": [str(feedback.id) for feedback, _ in rows]}
    source = Source.CORRECTION if corrections else Source.REVIEWED
    return item_of(prediction, ReviewPurpose.FLAGGED, reason, rank=rank, source=source, answers=answers)


def _unsure(prediction: Prediction) -> str:
    if prediction.confidence is None:
        return "Nobody tells how sure this version is"
    return f"The model was unsure (confidence {prediction.confidence:.0%})"

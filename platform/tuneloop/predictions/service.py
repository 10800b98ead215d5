"""The production log, and feedback from the first report to the review queue."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from tuneloop.kit.clean_text import clean, shown
from tuneloop.kit.errors import Conflict, InvalidInput, NotFound
from tuneloop.predictions.completion_ids import completion_id
from tuneloop.registry.contract import Contract, Task
from tuneloop.registry.labels import index_of
from tuneloop.registry.service import contract_of
from tuneloop.tables import Feedback, FeedbackKind, FeedbackState, Prediction, RegisteredModel

NEAREST_SHOWN = 20
POOR_RATING = 2


class Reported(NamedTuple):
    feedback: Feedback
    prediction: Prediction


def list_predictions(
    session: Session,
    *,
    model_id: UUID,
    limit: int,
    before: UUID | None = None,
    confidence_below: float | None = None,
) -> list[Prediction]:
    """Newest first, older than `before`."""
    query = select(Prediction).where(Prediction.model_id == model_id)
    if before is not None:
        last = find_prediction(session, model_id=model_id, answer_id=before)
        query = query.where(tuple_(col(Prediction.at), col(Prediction.id)) < (last.at, last.id))
    if confidence_below is not None:
        query = query.where(col(Prediction.confidence) < confidence_below)
    return list(session.exec(query.order_by(col(Prediction.at).desc(), col(Prediction.id).desc()).limit(limit)))


def latest_answer_at(session: Session, model: RegisteredModel) -> datetime | None:
    """When production gave the model's newest answer that is kept; None where it has given none."""
    return session.exec(select(func.max(col(Prediction.at))).where(Prediction.model_id == model.id)).one()


def find_prediction(session: Session, *, model_id: UUID, answer_id: UUID) -> Prediction:
    row = session.exec(
        select(Prediction).where(Prediction.id == answer_id, Prediction.model_id == model_id)
    ).one_or_none()
    if row is None:
        raise NotFound("completion", completion_id(answer_id))
    return row


def report_feedback(
    session: Session,
    *,
    answer_id: UUID,
    kind: FeedbackKind,
    rating: int | None = None,
    correction: str | None = None,
    comment: str | None = None,
    reporter: str | None = None,
) -> Feedback:
    """Store what somebody says about an answer. The same reporter's later word replaces the earlier one.

    Raises:
        NotFound: there is no such answer.
        InvalidInput: a correction that is none of the model's labels.
        Conflict: the earlier word was reviewed already and differs.
    """
    prediction = session.exec(select(Prediction).where(Prediction.id == answer_id)).one_or_none()
    if prediction is None:
        raise NotFound("completion", completion_id(answer_id))
    if correction is not None:
        correction = require_label(contract_of(session.get_one(RegisteredModel, prediction.model_id)), correction)
    row = Feedback(
        agency_id=prediction.agency_id,
        client_id=prediction.client_id,
        model_id=prediction.model_id,
        prediction_id=answer_id,
        kind=kind,
        rating=rating,
        correction=correction,
        comment=comment,
        reporter=reporter,
    )
    inserted = session.execute(
        insert(Feedback).values(**row.model_dump()).on_conflict_do_nothing().returning(col(Feedback.id))
    ).scalar_one_or_none()
    stored = session.exec(
        select(Feedback)
        .where(
            Feedback.prediction_id == answer_id,
            Feedback.kind == kind,
            col(Feedback.reporter).is_not_distinct_from(reporter),
        )
        .with_for_update()
    ).one()
    return stored if inserted else _replace(session, stored, row)


def require_label(contract: Contract, text: str) -> str:
    """The answer as it is stored: for a classify model, its label that the text is or looks like.

    Raises:
        InvalidInput: it is none of the labels.
    """
    if contract.task is not Task.CLASSIFY:
        return clean(text)
    found = index_of(contract.labels).find(text)
    if found is None:
        more = len(contract.labels) - NEAREST_SHOWN
        listed = ", ".join(contract.labels[:NEAREST_SHOWN]) + (f" and {more} more" if more > 0 else "")
        raise InvalidInput(f"{shown(text)} is not a label of this model; it knows {listed}", param="correction")
    return found


def says_wrong() -> ColumnElement[bool]:
    """Condition on `Feedback`: somebody holds the answer to be wrong."""
    poor = and_(col(Feedback.kind) == FeedbackKind.RATING, col(Feedback.rating) <= POOR_RATING)
    return or_(col(Feedback.kind).in_([FeedbackKind.CORRECTION, FeedbackKind.ERROR]), poor)


def list_feedback(
    session: Session,
    *,
    model_id: UUID,
    limit: int,
    before: UUID | None = None,
    kind: FeedbackKind | None = None,
    state: FeedbackState | None = None,
) -> list[Reported]:
    """Newest first, older than `before`."""
    query = (
        select(Feedback, Prediction)
        .join(Prediction, col(Prediction.id) == Feedback.prediction_id)
        .where(Feedback.model_id == model_id)
    )
    if before is not None:
        last = session.get(Feedback, before)
        if last is None:
            raise NotFound("feedback", before)
        query = query.where(tuple_(col(Feedback.at), col(Feedback.id)) < (last.at, last.id))
    if kind is not None:
        query = query.where(Feedback.kind == kind)
    if state is not None:
        query = query.where(Feedback.state == state)
    rows = session.exec(query.order_by(col(Feedback.at).desc(), col(Feedback.id).desc()).limit(limit))
    return [Reported(feedback, prediction) for feedback, prediction in rows]


def _replace(session: Session, stored: Feedback, said: Feedback) -> Feedback:
    fields = ("rating", "correction", "comment")
    if all(getattr(stored, field) == getattr(said, field) for field in fields):
        return stored
    if stored.state is not FeedbackState.OPEN:
        raise Conflict(f"this {stored.kind} was {stored.state} already and cannot change", feedback_id=str(stored.id))
    for field in fields:
        setattr(stored, field, getattr(said, field))
    session.add(stored)
    return stored

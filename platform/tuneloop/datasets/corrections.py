"""The reviewer's decision: a correction becomes an example, or is dismissed."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.datasets.service import add_example
from tuneloop.kit.errors import Conflict, InvalidInput, NotFound, TuneloopError
from tuneloop.kit.principal import Principal
from tuneloop.predictions.gate_holdout import refuse_reserved
from tuneloop.registry.templates import Message
from tuneloop.tables import (
    Example,
    Feedback,
    FeedbackKind,
    FeedbackState,
    Pool,
    Prediction,
    RegisteredModel,
    Role,
    Source,
)


class AcceptedCorrection(NamedTuple):
    feedback_id: UUID
    example: Example


class RefusedCorrection(NamedTuple):
    feedback_id: UUID
    reason: str


class CorrectionResults(NamedTuple):
    accepted: list[AcceptedCorrection]
    refused: list[RefusedCorrection]


def accept_correction(session: Session, *, principal: Principal, feedback_id: UUID, pool: Pool) -> Example:
    """Make a correction an example of a pool.

    Where a label of this answer says the same, its example is the one: it trains already, or measures and trains later.

    Raises:
        NotFound: there is no such feedback.
        Conflict: it was reviewed already, or the answer is kept for the gate and may not train yet.
        InvalidInput: it is not a correction, or the example does not belong in the pool.
    """
    principal.require(Role.OPERATOR)
    feedback = _open_feedback(session, feedback_id)
    if feedback.kind is not FeedbackKind.CORRECTION or feedback.correction is None:
        raise InvalidInput(f"feedback {feedback_id} is not a correction; dismiss it or ask for the right answer")
    model = session.get_one(RegisteredModel, feedback.model_id)
    prediction = session.get_one(Prediction, feedback.prediction_id)
    if pool is Pool.ROLLING:
        raise InvalidInput("corrections are chosen by users, so they can't measure accuracy; accept it for training")
    if (labelled := _labelled(session, prediction, feedback.correction)) is not None:
        _close(session, principal, feedback, FeedbackState.ACCEPTED)
        return labelled
    if pool is Pool.TRAINING:
        refuse_reserved(session, model=model, prediction_ids=[prediction.id])
    example = add_example(
        session,
        principal=principal,
        model=model,
        pool=pool,
        messages=[Message.model_validate(message) for message in prediction.messages],
        expected=feedback.correction,
        source=Source.CORRECTION,
        prediction_id=prediction.id,
    )
    _close(session, principal, feedback, FeedbackState.ACCEPTED)
    return example


def accept_corrections(
    session: Session, *, principal: Principal, model_id: UUID, feedback_ids: Sequence[UUID], pool: Pool
) -> CorrectionResults:
    """Accept those of a model's corrections that can be; the others are named with the reason, and stay open."""
    outcome = CorrectionResults([], [])
    for feedback_id in dict.fromkeys(feedback_ids):
        try:
            with session.begin_nested():
                require_of_model(session, model_id=model_id, feedback_id=feedback_id)
                example = accept_correction(session, principal=principal, feedback_id=feedback_id, pool=pool)
        except TuneloopError as error:
            outcome.refused.append(RefusedCorrection(feedback_id, error.message))
        else:
            outcome.accepted.append(AcceptedCorrection(feedback_id, example))
    return outcome


def dismiss(session: Session, *, principal: Principal, feedback_id: UUID) -> Feedback:
    """Close feedback without consequence. Dismissing twice is the same as once."""
    principal.require(Role.OPERATOR)
    feedback = _find(session, feedback_id)
    if feedback.state is not FeedbackState.DISMISSED:
        _close(session, principal, _open_feedback(session, feedback_id), FeedbackState.DISMISSED)
    return feedback


def require_of_model(session: Session, *, model_id: UUID, feedback_id: UUID) -> None:
    """Raises NotFound unless the feedback is about an answer of this model."""
    if _find(session, feedback_id).model_id != model_id:
        raise NotFound("feedback", feedback_id)


def _labelled(session: Session, prediction: Prediction, answer: str) -> Example | None:
    """The example that was made of this answer, where it has the same right answer."""
    query = select(Example).where(
        Example.prediction_id == prediction.id,
        Example.expected == answer.strip(),
        col(Example.deleted_at).is_(None),
    )
    return session.exec(query.limit(1)).one_or_none()


def _find(session: Session, feedback_id: UUID) -> Feedback:
    """Locks the row, so that of two reviewers one comes second."""
    row = session.exec(
        select(Feedback).where(Feedback.id == feedback_id).with_for_update().execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        raise NotFound("feedback", feedback_id)
    return row


def _open_feedback(session: Session, feedback_id: UUID) -> Feedback:
    row = _find(session, feedback_id)
    if row.state is not FeedbackState.OPEN:
        raise Conflict(f"feedback {feedback_id} was {row.state} already", feedback_id=str(feedback_id))
    return row


def _close(session: Session, principal: Principal, feedback: Feedback, state: FeedbackState) -> None:
    feedback.state = state
    session.add(feedback)
    session.flush()
    record(session, principal, f"feedback.{state}", "feedback", feedback.id, client_id=feedback.client_id)

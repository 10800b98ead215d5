"""What a settled item becomes: an example that measures, an example that trains, or a look of the gate."""

from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.datasets.deletion import delete_example
from tuneloop.datasets.service import add_example
from tuneloop.kit.errors import Conflict, InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.predictions.service import says_wrong
from tuneloop.registry.templates import Message
from tuneloop.retraining.verdicts import request_rejudge
from tuneloop.review.labels import same
from tuneloop.tables import (
    Example,
    Feedback,
    FeedbackState,
    Pool,
    Prediction,
    RegisteredModel,
    RetrainingCycle,
    ReviewItem,
    ReviewPurpose,
    ReviewState,
    SnapshotItem,
)


def become(session: Session, *, principal: Principal, model: RegisteredModel, item: ReviewItem) -> None:
    """Only the random sample measures; what was chosen trains, and is never counted as accuracy."""
    if item.purpose is ReviewPurpose.GATE:
        _look_again(session, item)
    elif item.state is ReviewState.DONE:
        pool = Pool.ROLLING if item.purpose is ReviewPurpose.SAMPLE else Pool.TRAINING
        _store(session, principal, model, item, pool)
    _answer_feedback(session, principal, model, item)


def unbecome(session: Session, *, principal: Principal, model: RegisteredModel, item: ReviewItem) -> None:
    """Take back what a settled item became.

    Raises:
        Conflict: its example is in a snapshot.
    """
    example = session.get(Example, item.example_id) if item.example_id is not None else None
    if example is not None and _is_own(example, item):
        used = select(SnapshotItem.id).where(SnapshotItem.example_id == example.id).limit(1)
        if session.exec(used).first() is not None:
            raise Conflict("the example is in a snapshot; delete it instead", example=str(example.id))
        delete_example(session, principal=principal, model=model, example_id=example.id)
    for feedback in _feedback(session, item):
        feedback.state = FeedbackState.OPEN
        session.add(feedback)
    item.example_id = item.closed_at = item.expected = item.category = item.outcome = None
    session.add(item)


def _store(session: Session, principal: Principal, model: RegisteredModel, item: ReviewItem, pool: Pool) -> None:
    assert item.expected is not None
    try:
        with session.begin_nested():
            example = add_example(
                session,
                principal=principal,
                model=model,
                pool=pool,
                messages=[Message.model_validate(message) for message in item.messages],
                expected=item.expected,
                category=item.category or None,
                source=item.source,
                prediction_id=item.prediction_id,
            )
    except (Conflict, InvalidInput) as error:
        item.outcome = error.message
    else:
        item.example_id = example.id
    session.add(item)
    session.flush()


def _is_own(example: Example, item: ReviewItem) -> bool:
    """Whether this item made the example, rather than found one that says the same."""
    return item.closed_at is not None and example.added_at >= item.closed_at


def _look_again(session: Session, item: ReviewItem) -> None:
    if item.cycle_id is not None:
        request_rejudge(session, session.get_one(RetrainingCycle, item.cycle_id))


def _answer_feedback(session: Session, principal: Principal, model: RegisteredModel, item: ReviewItem) -> None:
    """A label answers all users who say that the answer is wrong, whatever it was given for.

    They are right when the label finds the answer wrong. A skipped item answers nobody, unless it was about them.
    """
    if item.prediction_id is None or (item.expected is None and item.purpose is not ReviewPurpose.FLAGGED):
        return
    said = select(Feedback).where(
        Feedback.prediction_id == item.prediction_id, Feedback.state == FeedbackState.OPEN, says_wrong()
    )
    found = session.exec(said.with_for_update()).all()
    answer = session.get_one(Prediction, item.prediction_id).answer
    wrong = item.expected is not None and not same(model, item.expected, answer)
    for feedback in found:
        feedback.state = FeedbackState.ACCEPTED if wrong else FeedbackState.DISMISSED
        session.add(feedback)
        record(session, principal, f"feedback.{feedback.state}", "feedback", feedback.id, client_id=feedback.client_id)
    item.answers = item.answers | {"feedback": [str(feedback.id) for feedback in found]}
    session.add(item)
    session.flush()


def _feedback(session: Session, item: ReviewItem) -> list[Feedback]:
    ids = [UUID(each) for each in item.answers.get("feedback", [])]
    return list(session.exec(select(Feedback).where(col(Feedback.id).in_(ids)))) if ids else []

"""Review items as labellers read them."""

from sqlmodel import Session

from tuneloop.predictions.completion_ids import completion_id
from tuneloop.registry.service import contract_of
from tuneloop.review.blinding import shown
from tuneloop.review.labels import of_item
from tuneloop.review.neighbours import neighbours
from tuneloop.review.schemas import ItemRead, LabelRead, NeighbourRead, SettledRead
from tuneloop.tables import RegisteredModel, ReviewItem, ReviewState


def read_item(session: Session, item: ReviewItem) -> ItemRead:
    contract = contract_of(session.get_one(RegisteredModel, item.model_id))
    seen = shown(contract, item)
    return ItemRead(
        id=item.id,
        purpose=item.purpose,
        state=item.state,
        reason=item.reason,
        completion=completion_id(item.prediction_id) if item.prediction_id else None,
        messages=item.messages,
        labels=list(contract.labels),
        choices=seen.answers,
        blind=seen.blind,
        wanted_labels=item.wanted_labels,
        neighbours=[NeighbourRead.model_validate(each) for each in neighbours(session, item)],
        created_at=item.created_at,
    )


def read_settled(session: Session, item: ReviewItem) -> SettledRead:
    """Others' labels stay hidden while the item is open, so that a second labeller is as blind as the first."""
    settled = item.state in (ReviewState.DONE, ReviewState.SKIPPED)
    return SettledRead(
        id=item.id,
        purpose=item.purpose,
        state=item.state,
        reason=item.reason,
        wanted_labels=item.wanted_labels,
        expected=item.expected,
        category=item.category,
        outcome=item.outcome,
        example_id=item.example_id,
        answers=item.answers if settled else None,
        labels=[LabelRead.model_validate(label) for label in of_item(session, item.id)] if settled else [],
    )

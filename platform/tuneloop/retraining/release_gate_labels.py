"""What the gate's labels become once their cycle has ended: they have measured, so now they may train."""

from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from tuneloop.datasets.rolling_window import retire_free
from tuneloop.datasets.service import add_example
from tuneloop.kit.errors import Conflict, InvalidInput
from tuneloop.kit.jobs import enqueue_once
from tuneloop.kit.principal import Principal
from tuneloop.registry.templates import Message
from tuneloop.retraining.jobs import LearnFromGate
from tuneloop.tables import (
    Example,
    Pool,
    RegisteredModel,
    RetrainingCycle,
    ReviewItem,
    ReviewPurpose,
    ReviewState,
)

GATE = "gate"


def learn_soon(session: Session, cycle: RetrainingCycle) -> None:
    """In a job of its own: an ending must not wait for it, least of all a promotion under traffic."""
    if session.exec(_labelled(cycle).limit(1)).first() is not None:
        enqueue_once(session, LearnFromGate(cycle_id=cycle.id), cycle.id, owner=cycle)


def learn_from_gate(session: Session, cycle: RetrainingCycle) -> list[Example]:
    """Put the cycle's labelled disagreements through the ledger: into the rolling set, and from there to training.

    They are where production and candidate disagree, so they teach most. What is near to an example that goes on
    measuring stays in the rolling set; what another example says already is left out, and the item says so.
    """
    principal = Principal.system(cycle.agency_id, GATE)
    model = session.get_one(RegisteredModel, cycle.model_id)
    labelled = session.exec(_labelled(cycle)).all()
    kept = [example for item in labelled if (example := _keep(session, principal, model, item)) is not None]
    return retire_free(session, principal=principal, model=model, examples=kept)


def _labelled(cycle: RetrainingCycle) -> SelectOfScalar[ReviewItem]:
    return select(ReviewItem).where(
        ReviewItem.cycle_id == cycle.id,
        ReviewItem.purpose == ReviewPurpose.GATE,
        ReviewItem.state == ReviewState.DONE,
        col(ReviewItem.example_id).is_(None),
        col(ReviewItem.label_of).is_(None),
        col(ReviewItem.expected).is_not(None),
    )


def _keep(session: Session, principal: Principal, model: RegisteredModel, item: ReviewItem) -> Example | None:
    """None where the text is an example already."""
    try:
        with session.begin_nested():
            example = add_example(
                session,
                principal=principal,
                model=model,
                pool=Pool.ROLLING,
                messages=[Message.model_validate(message) for message in item.messages],
                expected=item.expected or "",
                category=item.category or None,
                source=item.source,
                prediction_id=item.prediction_id,
            )
    except (Conflict, InvalidInput) as error:
        item.outcome = error.message
        session.add(item)
        return None
    item.example_id = example.id
    session.add(item)
    return example if example.added_by == principal.name else None

"""One labeller and one item at a time: take it, answer it, skip it, take the answer back."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from sqlalchemy import case, or_
from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.kit.clean_text import clean
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, InvalidInput, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.predictions.service import require_label
from tuneloop.registry.contract import Task
from tuneloop.registry.service import contract_of
from tuneloop.review.apply_labels import become, unbecome
from tuneloop.review.blinding import is_blind
from tuneloop.review.labels import labeller_of, of_item, verdict
from tuneloop.tables import RegisteredModel, ReviewItem, ReviewLabel, ReviewPurpose, ReviewState, Role

HOLD = timedelta(minutes=10)
UNDO_WITHIN = timedelta(hours=1)
ASKED = (ReviewState.OPEN, ReviewState.DISPUTED)


def next_item(
    session: Session,
    *,
    principal: Principal,
    model: RegisteredModel | None = None,
    purposes: Collection[ReviewPurpose] = (),
) -> ReviewItem | None:
    """The next item for this labeller, held for ten minutes so that two people don't answer the same one.

    Asking again gives the same item. Nobody is asked twice about one answer.
    """
    principal.require(Role.OPERATOR)
    me, moment = labeller_of(principal), now()
    mine = select(ReviewLabel.id).where(
        ReviewLabel.item_id == ReviewItem.id, ReviewLabel.labeller == me, col(ReviewLabel.undone_at).is_(None)
    )
    held_by_me = case((col(ReviewItem.claimed_by) == me, 0), else_=1)
    query = select(ReviewItem).where(
        col(ReviewItem.state).in_(ASKED),
        ~mine.exists(),
        or_(
            col(ReviewItem.claimed_until).is_(None),
            col(ReviewItem.claimed_until) < moment,
            col(ReviewItem.claimed_by) == me,
        ),
    )
    if model is not None:
        query = query.where(ReviewItem.model_id == model.id)
    if purposes:
        query = query.where(col(ReviewItem.purpose).in_(purposes))
    ordered = query.order_by(held_by_me, col(ReviewItem.priority).desc(), col(ReviewItem.id)).limit(1)
    item = session.exec(ordered.with_for_update(skip_locked=True)).one_or_none()
    if item is not None:
        item.claimed_by, item.claimed_until = me, moment + HOLD
        session.add(item)
        session.flush()
    return item


def submit_label(
    session: Session,
    *,
    principal: Principal,
    item_id: UUID,
    expected: str,
    category: str | None = None,
    seconds: float | None = None,
    second_opinion: bool = False,
) -> ReviewItem:
    """Say what the right answer is. With enough labels that agree the item is settled and becomes what it is for.

    Args:
        second_opinion: the labeller is not sure; somebody else is asked too.

    Raises:
        InvalidInput: the answer is empty or no label of the model.
        Conflict: the item is settled, or this labeller has answered it.
    """
    principal.require(Role.OPERATOR)
    item = locked(session, item_id)
    model = session.get_one(RegisteredModel, item.model_id)
    expected = require_label(contract_of(model), _stripped(expected))
    me, standing = labeller_of(principal), of_item(session, item_id)
    if item.state not in ASKED:
        raise Conflict(f"this item is {item.state} already; take the next one", item=str(item_id))
    if any(label.labeller == me for label in standing):
        raise Conflict("you have labelled this item; it waits for somebody else", item=str(item_id))
    if second_opinion:
        item.wanted_labels = max(item.wanted_labels, len(standing) + 2)
    if category is None:
        category = expected if contract_of(model).task is Task.CLASSIFY else ""
    label = ReviewLabel(
        client_id=item.client_id,
        item_id=item_id,
        labeller=me,
        expected=expected,
        category=category,
        blind=is_blind(contract_of(model), item),
        seconds=seconds,
    )
    session.add(label)
    session.flush()
    _decide(session, principal, model, item)
    return item


def settle(
    session: Session, *, principal: Principal, item_id: UUID, expected: str, category: str | None = None
) -> ReviewItem:
    """End a dispute by an admin's word, who has seen what the others said.

    Raises:
        Conflict: the item is not in dispute.
    """
    principal.require(Role.ADMIN)
    item = locked(session, item_id)
    if item.state is not ReviewState.DISPUTED:
        raise Conflict(f"this item is {item.state}; only a dispute can be settled", item=str(item_id))
    model = session.get_one(RegisteredModel, item.model_id)
    contract = contract_of(model)
    item.expected = require_label(contract, _stripped(expected))
    item.category = category or (item.expected if contract.task is Task.CLASSIFY else "")
    record(session, principal, "review.settle", "review_item", item.id, client_id=item.client_id)
    _close(session, principal, model, item)
    return item


def skip(session: Session, *, principal: Principal, item_id: UUID) -> ReviewItem:
    """Leave an item out for good: it can't be answered, or a proposal is not worth learning."""
    principal.require(Role.OPERATOR)
    item = locked(session, item_id)
    if item.state not in ASKED:
        raise Conflict(f"this item is {item.state} already", item=str(item_id))
    item.state, item.closed_at, item.claimed_until = ReviewState.SKIPPED, now(), None
    item.outcome = f"skipped by {principal.name}"
    session.add(item)
    record(session, principal, "review.skip", "review_item", item.id, client_id=item.client_id)
    session.flush()
    become(session, principal=principal, model=session.get_one(RegisteredModel, item.model_id), item=item)
    return item


def undo(session: Session, *, principal: Principal, item_id: UUID) -> ReviewItem:
    """Take one's own label or skip back within an hour; what became of the item goes too.

    Raises:
        Conflict: there is nothing to take back, it is too late, or the example is in a snapshot.
    """
    principal.require(Role.OPERATOR)
    item = locked(session, item_id)
    me = labeller_of(principal)
    label = next((each for each in reversed(of_item(session, item_id)) if each.labeller == me), None)
    since = label.at if label else item.closed_at if item.state is ReviewState.SKIPPED else None
    if since is None:
        raise Conflict("you have no label of this item to take back", item=str(item_id))
    if since < now() - UNDO_WITHIN:
        raise Conflict("a label can be taken back within an hour; delete the example instead", item=str(item_id))
    model = session.get_one(RegisteredModel, item.model_id)
    unbecome(session, principal=principal, model=model, item=item)
    if label is not None:
        label.undone_at = now()
        session.add(label)
    record(session, principal, "review.undo", "review_item", item.id, client_id=item.client_id)
    session.flush()
    item.state, _ = verdict(model, of_item(session, item_id), item.wanted_labels)
    item.claimed_by, item.claimed_until = me, now() + HOLD
    session.add(item)
    return item


def locked(session: Session, item_id: UUID) -> ReviewItem:
    query = select(ReviewItem).where(ReviewItem.id == item_id).with_for_update()
    item = session.exec(query.execution_options(populate_existing=True)).one_or_none()
    if item is None:
        raise NotFound("review item", item_id)
    return item


def _stripped(expected: str) -> str:
    if not (stripped := clean(expected).strip()):
        raise InvalidInput("say what the right answer is; skip the item if it can't be answered", param="expected")
    return stripped


def _decide(session: Session, principal: Principal, model: RegisteredModel, item: ReviewItem) -> None:
    labels = of_item(session, item.id)
    item.state, counts = verdict(model, labels, item.wanted_labels)
    item.claimed_until = None
    if item.state is ReviewState.DISPUTED:
        item.wanted_labels = 3
    session.add(item)
    if item.state is ReviewState.DONE:
        item.expected, item.category = labels[counts].expected, labels[counts].category
        _close(session, principal, model, item)


def _close(session: Session, principal: Principal, model: RegisteredModel, item: ReviewItem) -> None:
    item.state, item.closed_at, item.claimed_until = ReviewState.DONE, now(), None
    session.add(item)
    session.flush()
    become(session, principal=principal, model=model, item=item)

"""What labellers said: read by monitoring, by the gate and by the pages that show agreement and pace."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func
from sqlmodel import Session, col, select

from tuneloop.datasets.similarity import canonical
from tuneloop.kit.principal import Principal
from tuneloop.registry.contract import Task
from tuneloop.registry.service import contract_of
from tuneloop.stats.agreement import Agreement, cohen_kappa
from tuneloop.tables import (
    ActorKind,
    Prediction,
    RegisteredModel,
    ReviewItem,
    ReviewLabel,
    ReviewPurpose,
    ReviewState,
)


class SettledAnswer(NamedTuple):
    """A labelled answer of production; `item.expected` is the label that counts."""

    item: ReviewItem
    prediction: Prediction


class QueueCount(NamedTuple):
    purpose: ReviewPurpose
    state: ReviewState
    n: int


class LabellingPace(NamedTuple):
    """Labels of a period; `median_seconds` is None while fewer than three were timed."""

    labels: int
    median_seconds: float | None


def labeller_of(principal: Principal) -> str:
    """Two people of the same name are two labellers; a person is one, whatever their role and with whichever key."""
    who = principal.owner or principal
    number = principal.person_id or principal.actor_id
    if principal.kind is ActorKind.SYSTEM or number is None:
        return principal.name
    return f"{who.name} ({number.hex[-8:]})"


def of_item(session: Session, item_id: UUID) -> list[ReviewLabel]:
    """Labels that stand, oldest first."""
    query = select(ReviewLabel).where(ReviewLabel.item_id == item_id, col(ReviewLabel.undone_at).is_(None))
    return list(session.exec(query.order_by(col(ReviewLabel.at), col(ReviewLabel.id))))


def of_alert(session: Session, alert_id: UUID) -> list[SettledAnswer]:
    """Settled burst items of an alert: chosen, so they say how bad its region is and never how good the model."""
    query = (
        select(ReviewItem, Prediction)
        .join(Prediction, col(Prediction.id) == ReviewItem.prediction_id)
        .where(
            ReviewItem.state == ReviewState.DONE,
            ReviewItem.alert_id == alert_id,
            ReviewItem.purpose == ReviewPurpose.BURST,
        )
        .order_by(col(ReviewItem.closed_at), col(ReviewItem.id))
    )
    return [SettledAnswer(item, prediction) for item, prediction in session.exec(query)]


def waiting(session: Session, *conditions: object) -> int:
    query = select(func.count(col(ReviewItem.id))).where(
        col(ReviewItem.state).in_([ReviewState.OPEN, ReviewState.DISPUTED]),
        *conditions,  # type: ignore[arg-type]
    )
    return session.exec(query).one()


def queue_counts(session: Session, model: RegisteredModel) -> list[QueueCount]:
    query = (
        select(ReviewItem.purpose, ReviewItem.state, func.count())
        .where(ReviewItem.model_id == model.id)
        .group_by(col(ReviewItem.purpose), col(ReviewItem.state))
        .order_by(col(ReviewItem.purpose), col(ReviewItem.state))
    )
    return [QueueCount(ReviewPurpose(purpose), ReviewState(state), n) for purpose, state, n in session.exec(query)]


def pairs(session: Session, model: RegisteredModel) -> tuple[list[str], list[str]]:
    """First and second labels of the answers that two people labelled, for agreement. Third opinions don't count."""
    query = (
        select(ReviewLabel)
        .join(ReviewItem, col(ReviewItem.id) == ReviewLabel.item_id)
        .where(ReviewItem.model_id == model.id, ReviewItem.wanted_labels > 1, col(ReviewLabel.undone_at).is_(None))
        .order_by(col(ReviewLabel.at), col(ReviewLabel.id))
    )
    by_item: dict[UUID, list[str]] = defaultdict(list)
    for label in session.exec(query):
        by_item[label.item_id].append(label.expected)
    both = [labels[:2] for labels in by_item.values() if len(labels) > 1]
    if contract_of(model).task is Task.GENERATE:
        both = [[canonical(text) for text in pair] for pair in both]
    return [first for first, _ in both], [second for _, second in both]


def agreement(session: Session, model: RegisteredModel) -> Agreement | None:
    """None while no answer was labelled by two people."""
    first, second = pairs(session, model)
    return cohen_kappa(first, second) if first else None


def pace(session: Session, model: RegisteredModel, *, since: datetime) -> LabellingPace:
    query = (
        select(ReviewLabel.seconds)
        .join(ReviewItem, col(ReviewItem.id) == ReviewLabel.item_id)
        .where(ReviewItem.model_id == model.id, ReviewLabel.at >= since, col(ReviewLabel.undone_at).is_(None))
    )
    found = list(session.exec(query))
    timed = sorted(seconds for seconds in found if seconds is not None)
    return LabellingPace(len(found), timed[len(timed) // 2] if len(timed) > 2 else None)


def labels_by(session: Session, model: RegisteredModel, labeller: str, *, since: datetime) -> int:
    query = (
        select(func.count(col(ReviewLabel.id)))
        .join(ReviewItem, col(ReviewItem.id) == ReviewLabel.item_id)
        .where(
            ReviewItem.model_id == model.id,
            ReviewLabel.labeller == labeller,
            ReviewLabel.at >= since,
            col(ReviewLabel.undone_at).is_(None),
        )
    )
    return session.exec(query).one()


def same(model: RegisteredModel, left: str, right: str) -> bool:
    """Whether two labels say the same: labels by letter, free text in canonical form."""
    if contract_of(model).task is Task.CLASSIFY:
        return left == right
    return canonical(left) == canonical(right)


def verdict(model: RegisteredModel, labels: Sequence[ReviewLabel], wanted: int) -> tuple[ReviewState, int]:
    """The state that these labels give an item, and the index of the label that counts.

    Two that differ make a dispute; a third opinion settles it, by joining one of them or by its own word.
    """
    if len(labels) < wanted:
        return ReviewState.DISPUTED if wanted > 2 and len(labels) >= 2 else ReviewState.OPEN, 0
    for index, label in enumerate(labels):
        if 2 * sum(same(model, label.expected, other.expected) for other in labels) > len(labels):
            return ReviewState.DONE, index
    return (ReviewState.DISPUTED, 0) if len(labels) == 2 else (ReviewState.DONE, len(labels) - 1)

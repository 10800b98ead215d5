"""The random sample that measures accuracy: every answer of the period has a known chance to be in it.

Each answer has a permanent random number, a hash of its id; the sample is the answers with the smallest numbers
(bottom-k sampling). The chance of an answer is the smallest number left out: conditionally on the others, the answer is
in exactly when its own number lies below (Duffield, Lund and Thorup 2007). Drawing more lowers nothing: the answers
drawn before keep the larger of the two chances.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

import numpy as np
from sqlalchemy import BigInteger, ColumnElement, Text, and_, cast, func, or_, true, type_coerce
from sqlmodel import Session, col, select

from tuneloop.kit.errors import InvalidInput
from tuneloop.predictions.erased import has_text
from tuneloop.review.items import item_of, put
from tuneloop.tables import (
    AbTest,
    Arm,
    Monitor,
    Prediction,
    RegisteredModel,
    ReviewItem,
    ReviewPurpose,
    ReviewState,
    Source,
)

SEED = 20_260_301
LEAST_DEVIATION = 0.2


class Stratum(NamedTuple):
    """A range of confidence; `size` counts all answers in it, `mean` is their confidence."""

    name: str
    condition: ColumnElement[bool]
    size: int
    mean: float


def add_sample(
    session: Session, model: RegisteredModel, size: int, *, strata: Sequence[float] | None = None
) -> list[ReviewItem]:
    """Put `size` random answers of the period into the queue, fewer when there are no more.

    Args:
        strata: cuts of confidence, such as (0.5, 0.8); uncertain strata then get more than their share (Neyman
            allocation with the model's own confidence), and estimates must weigh by inclusion probability.

    Raises:
        InvalidInput: the cuts do not rise within 0 to 1.
    """
    since = period_start(session, model)
    of_period = _of_period(model, since)
    found = _strata(session, of_period, strata)
    items: list[ReviewItem] = []
    for stratum, wanted in zip(found, _allocate(found, size), strict=True):
        items += _draw(session, stratum, of_period, wanted, reason=_reason(found, since))
    return put(session, model, items)


def add_arm_sample(session: Session, model: RegisteredModel, test: AbTest, arm: Arm, size: int) -> list[ReviewItem]:
    """As `add_sample`, from the answers of one arm of an A/B test. No item says which arm it is of."""
    of_arm = and_(col(Prediction.ab_test_id) == test.id, col(Prediction.arm) == arm, has_text())
    everything = Stratum("arms of an A/B test", true(), 0, 0.0)
    reason = "Drawn at random from the answers of an A/B test, as many from either version, to measure accuracy."
    return put(session, model, _draw(session, everything, of_arm, size, reason=reason))


def period_start(session: Session, model: RegisteredModel) -> datetime | None:
    """The last reading; None before the first."""
    query = select(Monitor.read_until).where(Monitor.model_id == model.id)
    return session.exec(query.order_by(col(Monitor.updated_at).desc()).limit(1)).one_or_none()


def _of_period(model: RegisteredModel, since: datetime | None) -> ColumnElement[bool]:
    mine = and_(col(Prediction.model_id) == model.id, has_text())
    return mine if since is None else and_(mine, col(Prediction.at) > since)


def _draw(
    session: Session, stratum: Stratum, of_period: ColumnElement[bool], wanted: int, *, reason: str
) -> list[ReviewItem]:
    if wanted <= 0:
        return []
    number = type_coerce(func.hashtextextended(cast(Prediction.id, Text), SEED), BigInteger)
    sampled = select(ReviewItem.id).where(
        ReviewItem.prediction_id == Prediction.id, ReviewItem.purpose == ReviewPurpose.SAMPLE
    )
    query = (
        select(Prediction, number)
        .where(of_period, stratum.condition, ~sampled.exists())
        .order_by(number, col(Prediction.id))
        .limit(wanted + 1)
    )
    rows = [(prediction, (value + 2**63) / 2**64) for prediction, value in session.exec(query)]
    chance = rows[wanted][1] if len(rows) > wanted else 1.0
    _keep_larger(session, stratum, of_period, chance)
    _supersede(session, [prediction.id for prediction, _ in rows[:wanted]])
    return [
        item_of(
            prediction,
            ReviewPurpose.SAMPLE,
            reason,
            rank=1 - own,
            source=Source.SAMPLED,
            inclusion_probability=chance,
            stratum=stratum.name,
        )
        for prediction, own in rows[:wanted]
    ]


def _keep_larger(session: Session, stratum: Stratum, of_period: ColumnElement[bool], chance: float) -> None:
    """Answers of the period that were drawn before had this chance too."""
    earlier = session.exec(
        select(ReviewItem)
        .join(Prediction, col(Prediction.id) == ReviewItem.prediction_id)
        .where(of_period, stratum.condition, ReviewItem.purpose == ReviewPurpose.SAMPLE)
    )
    for item in earlier:
        item.inclusion_probability = max(item.inclusion_probability or 0.0, chance)
        session.add(item)


def _supersede(session: Session, prediction_ids: Sequence[UUID]) -> None:
    """What is drawn at random and waits in the queue for another reason is asked once, for the sample."""
    chosen = session.exec(
        select(ReviewItem).where(
            col(ReviewItem.prediction_id).in_(prediction_ids),
            col(ReviewItem.purpose).in_([ReviewPurpose.UNCERTAIN, ReviewPurpose.FLAGGED, ReviewPurpose.SHADOW]),
            ReviewItem.state == ReviewState.OPEN,
        )
    )
    for item in chosen:
        item.state, item.outcome = ReviewState.SKIPPED, "drawn into the random sample since"
        session.add(item)


def _strata(session: Session, of_period: ColumnElement[bool], cuts: Sequence[float] | None) -> list[Stratum]:
    confidence = col(Prediction.confidence)
    edges = [0.0, *(cuts or ()), 1.0]
    if any(low >= high for low, high in pairwise(edges)):
        raise InvalidInput("strata are cuts of confidence between 0 and 1 in rising order, such as 0.5, 0.8")
    found = []
    for low, high in pairwise(edges):
        condition: ColumnElement[bool] = (
            or_(confidence.is_(None), confidence >= 0)
            if high == 1.0 and low == 0.0
            else (confidence >= low if high == 1.0 else and_(confidence >= low, confidence < high))
        )
        if low == 0.0 and high < 1.0:
            condition = or_(condition, confidence.is_(None))
        size, mean = session.exec(
            select(func.count(col(Prediction.id)), func.avg(confidence)).where(of_period, condition)
        ).one()
        name = "all" if not cuts else f"confidence {low:.2f} to {high:.2f}"
        found.append(Stratum(name, condition, size, 0.5 if mean is None else float(mean)))
    return found


def _allocate(strata: Sequence[Stratum], size: int) -> list[int]:
    """Neyman: in proportion to size times the standard deviation of being right, by largest remainder."""
    if len(strata) == 1:
        return [size]
    weights = np.array([each.size * max(LEAST_DEVIATION, (each.mean * (1 - each.mean)) ** 0.5) for each in strata])
    if not weights.sum():
        return [0] * len(strata)
    exact = size * weights / weights.sum()
    shares = np.floor(exact).astype(int)
    for index in np.argsort(shares - exact)[: size - shares.sum()]:
        shares[index] += 1
    return [int(share) for share in shares]


def _reason(strata: Sequence[Stratum], since: datetime | None) -> str:
    n = sum(each.size for each in strata)
    period = f" since {since:%-d %B}" if since else ""
    return f"Drawn at random from {n:,} answers{period}, to measure accuracy."

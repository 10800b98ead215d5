"""How an item of the queue is made: its order in the queue, and whether two people label it."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from sqlalchemy import func, or_
from sqlmodel import Session, col, select

from tuneloop.registry.service import policy_of
from tuneloop.tables import (
    Membership,
    Prediction,
    RegisteredModel,
    ReviewItem,
    ReviewPurpose,
    Role,
    Source,
)

ORDER: Final = {
    ReviewPurpose.GATE: 6.0,
    ReviewPurpose.BURST: 5.0,
    ReviewPurpose.SAMPLE: 4.0,
    ReviewPurpose.SHADOW: 3.5,
    ReviewPurpose.FLAGGED: 3.0,
    ReviewPurpose.PROPOSED: 2.0,
    ReviewPurpose.UNCERTAIN: 1.0,
}
"""A waiting gate or alert comes first, then what measures. Within a purpose `rank` decides, 0 to 1."""

DOUBLED: Final = frozenset({ReviewPurpose.SAMPLE, ReviewPurpose.GATE, ReviewPurpose.SHADOW})
LABELLERS: Final = (Role.OPERATOR, Role.ADMIN, Role.OWNER)


def item_of(
    prediction: Prediction,
    purpose: ReviewPurpose,
    reason: str,
    *,
    rank: float,
    source: Source = Source.REVIEWED,
    answers: dict[str, Any] | None = None,
    **more: Any,
) -> ReviewItem:
    """A question about one answer of production."""
    return ReviewItem(
        client_id=prediction.client_id,
        model_id=prediction.model_id,
        purpose=purpose,
        source=source,
        reason=reason,
        priority=ORDER[purpose] + min(max(rank, 0.0), 0.999),
        prediction_id=prediction.id,
        messages=prediction.messages,
        answers={"production": prediction.answer} | (answers or {}),
        **more,
    )


def put(session: Session, model: RegisteredModel, items: Sequence[ReviewItem]) -> list[ReviewItem]:
    """Add items to the queue; a random share of those that measure or judge wants two labels."""
    share = policy_of(model).double_label_share if _two_can_label(session, model) else 0.0
    doubled = np.random.default_rng().random(len(items)) < share
    for item, twice in zip(items, doubled, strict=True):
        if twice and item.purpose in DOUBLED:
            item.wanted_labels = 2
    session.add_all(items)
    session.flush()
    return list(items)


def _two_can_label(session: Session, model: RegisteredModel) -> bool:
    """With one person only, an answer that wants two labels would wait for ever."""
    query = select(func.count(col(Membership.id))).where(
        col(Membership.role).in_(LABELLERS),
        or_(col(Membership.member_client_id).is_(None), col(Membership.member_client_id) == model.client_id),
    )
    return session.exec(query).one() >= 2

"""The labelled random sample of a period: what counts, what does not, and who labelled it."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import or_
from sqlmodel import Session, col, select

from tuneloop.evaluation.marking import Marking
from tuneloop.monitoring.periods import Period
from tuneloop.registry.contract import Task
from tuneloop.registry.service import contract_of
from tuneloop.stats.agreement import Agreement, cohen_kappa
from tuneloop.tables import (
    Example,
    Pool,
    Prediction,
    Reading,
    ReviewItem,
    ReviewLabel,
    ReviewPurpose,
    ReviewState,
    Source,
)

LATE = timedelta(days=28)
"""A label of an older answer says little about today's traffic; it no longer counts."""

OVERLAP = timedelta(hours=1)
"""Labels stored while the last reading was taken are looked for again this long."""


class Labelled(NamedTuple):
    """A sampled answer and its label; `chance` is its probability to be drawn, None for a uniform sample."""

    prediction_id: UUID
    category: str
    correct: bool
    confidence: float | None
    chance: float | None
    labellers: tuple[str, ...]


class Sample(NamedTuple):
    """`seen` counts labels left out because the labeller saw the model's answer."""

    items: list[Labelled]
    seen: int

    @property
    def labellers(self) -> dict[str, int]:
        return dict(Counter(name for item in self.items for name in item.labellers).most_common())


class _Label(NamedTuple):
    example: Example
    prediction: Prediction
    chance: float | None
    labellers: tuple[str, ...]
    blind: bool = True


def labelled_sample(session: Session, period: Period, judge: Marking) -> Sample:
    """Labels stored since the last reading, each counted once, however late it comes."""
    since = period.since - OVERLAP
    counted = _counted(session, period, since)
    found = [*_of_queue(session, period, since), *_of_examples(session, period, since)]
    fresh = [label for label in found if str(label.prediction.id) not in counted]
    blind = [label for label in fresh if label.blind]
    verdicts = judge([label.example for label in blind], [label.prediction for label in blind])
    items = [
        Labelled(
            prediction_id=label.prediction.id,
            category=label.example.category,
            correct=right,
            confidence=label.prediction.confidence,
            chance=label.chance,
            labellers=label.labellers,
        )
        for label, right in zip(blind, verdicts, strict=True)
    ]
    return Sample(items, len(fresh) - len(blind))


def agreement_between(
    session: Session, model_id: UUID, new: Sequence[str], known: Sequence[str], *, since: datetime
) -> Agreement | None:
    """How far new labellers agree with known ones on the answers that both have labelled."""
    pairs: dict[UUID, dict[bool, str]] = defaultdict(dict)
    query = (
        select(ReviewLabel)
        .join(ReviewItem, col(ReviewItem.id) == ReviewLabel.item_id)
        .where(
            ReviewItem.model_id == model_id,
            col(ReviewLabel.undone_at).is_(None),
            col(ReviewLabel.at) > since,
            col(ReviewLabel.labeller).in_([*new, *known]),
        )
        .order_by(col(ReviewLabel.at))
    )
    for label in session.exec(query):
        pairs[label.item_id].setdefault(label.labeller in new, label.expected)
    both = [pair for pair in pairs.values() if len(pair) == 2]
    return cohen_kappa([pair[False] for pair in both], [pair[True] for pair in both]) if both else None


def double_labelled(session: Session, prediction_ids: Sequence[UUID]) -> Agreement | None:
    """Agreement of first and second labels on these answers."""
    labels: dict[UUID, list[str]] = defaultdict(list)
    query = (
        select(ReviewItem.id, ReviewLabel.expected)
        .join(ReviewLabel, col(ReviewLabel.item_id) == ReviewItem.id)
        .where(
            col(ReviewItem.prediction_id).in_(prediction_ids),
            ReviewItem.purpose == ReviewPurpose.SAMPLE,
            col(ReviewLabel.undone_at).is_(None),
        )
        .order_by(col(ReviewLabel.at))
    )
    for item_id, expected in session.exec(query):
        labels[item_id].append(expected)
    both = [each for each in labels.values() if len(each) > 1]
    return cohen_kappa([each[0] for each in both], [each[1] for each in both]) if both else None


def _counted(session: Session, period: Period, since: datetime) -> set[str]:
    """Answers that earlier readings have counted already."""
    rows = session.exec(
        select(Reading).where(
            Reading.monitor_id == period.monitor.id, Reading.stream == "labels", col(Reading.at) > since
        )
    )
    return {answer for reading in rows for answer in reading.detail.get("answers", ())}


def _of_queue(session: Session, period: Period, since: datetime) -> list[_Label]:
    """Settled items of the queue. Labels of free text are never blind: nobody writes out what is there to be read."""
    rows = session.exec(
        select(ReviewItem, Prediction)
        .join(Prediction, col(Prediction.id) == ReviewItem.prediction_id)
        .where(
            col(Prediction.version_id) == period.monitor.version_id,
            col(Prediction.at) > period.until - LATE,
            ReviewItem.purpose == ReviewPurpose.SAMPLE,
            ReviewItem.state == ReviewState.DONE,
            col(ReviewItem.closed_at) > since,
            col(ReviewItem.closed_at) <= period.until,
        )
        .order_by(col(ReviewItem.closed_at), col(ReviewItem.id))
    ).all()
    labels: dict[UUID, list[ReviewLabel]] = defaultdict(list)
    ids = [item.id for item, _ in rows]
    for label in session.exec(
        select(ReviewLabel).where(col(ReviewLabel.item_id).in_(ids), col(ReviewLabel.undone_at).is_(None))
    ):
        labels[label.item_id].append(label)
    can_be_blind = contract_of(period.model).task is Task.CLASSIFY
    found = []
    for item, prediction in rows:
        given = labels[item.id]
        blind = all(label.blind for label in given) or not can_be_blind
        names = tuple(sorted({label.labeller for label in given})) or ("settled",)
        found.append(_Label(example_of(item), prediction, item.inclusion_probability, names, blind))
    return found


def example_of(item: ReviewItem) -> Example:
    """What the scorer reads; never stored."""
    return Example(
        client_id=item.client_id,
        model_id=item.model_id,
        pool=Pool.ROLLING,
        messages=item.messages,
        expected=item.expected or "",
        category=item.category or "",
        source=Source.SAMPLED,
        content_hash="",
        minhash=b"",
    )


def _of_examples(session: Session, period: Period, since: datetime) -> list[_Label]:
    """Samples that were labelled without the queue."""
    queued = select(ReviewItem.id).where(
        ReviewItem.prediction_id == Example.prediction_id, ReviewItem.purpose == ReviewPurpose.SAMPLE
    )
    rows = session.exec(
        select(Example, Prediction)
        .join(Prediction, col(Prediction.id) == Example.prediction_id)
        .where(
            col(Prediction.version_id) == period.monitor.version_id,
            col(Prediction.at) > period.until - LATE,
            col(Example.source) == Source.SAMPLED,
            or_(col(Example.pool) == Pool.ROLLING, col(Example.retired_at).is_not(None)),
            col(Example.deleted_at).is_(None),
            col(Example.added_at) > since,
            col(Example.added_at) <= period.until,
            ~queued.exists(),
        )
        .order_by(col(Example.added_at), col(Example.id))
    )
    return [_Label(example, prediction, None, (example.added_by or "unnamed",)) for example, prediction in rows]

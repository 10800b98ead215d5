"""What the streams of a reading share. They are never mixed: accuracy comes only from the labelled random sample."""

from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, func
from sqlmodel import Session, col, select

from tuneloop.stats.drift import Traffic
from tuneloop.tables import Monitor, Prediction, Reading, RegisteredModel

MOST_ANSWERS = 5000
"""Answers of a period that are looked at without labels; of more, a random part."""

Array = NDArray[np.float64]


class Period(NamedTuple):
    """What a version answered after `since` and up to `until`."""

    model: RegisteredModel
    monitor: Monitor
    since: datetime
    until: datetime

    @property
    def answered(self) -> tuple[ColumnElement[bool], ...]:
        return answered_between(self.monitor, self.since, self.until)


def answered_between(monitor: Monitor, since: datetime, until: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        col(Prediction.version_id) == monitor.version_id,
        col(Prediction.at) > since,
        col(Prediction.at) <= until,
    )


def traffic_between(
    session: Session, monitor: Monitor, since: datetime, until: datetime, *, limit: int = MOST_ANSWERS
) -> Traffic:
    """A random part of the answers, at most `limit`; ids are hashed, so that the same ones are taken each time."""
    rows = session.exec(
        select(Prediction.confidence, Prediction.answer)
        .where(*answered_between(monitor, since, until), col(Prediction.confidence).is_not(None))
        .order_by(func.md5(func.uuid_send(Prediction.id)))
        .limit(limit)
    ).all()
    return Traffic(np.array([confidence for confidence, _ in rows], dtype=float), [answer for _, answer in rows])


def new_reading(period: Period, stream: str, n: int, **detail: Any) -> Reading:
    monitor = period.monitor
    return Reading(
        client_id=monitor.client_id,
        model_id=monitor.model_id,
        monitor_id=monitor.id,
        at=period.until,
        stream=stream,
        n=n,
        detail=detail,
    )


def keep(monitor: Monitor, name: str, chart: Any) -> None:
    """Store a chart's state; the column sees only a new dict as a change."""
    monitor.charts = {**monitor.charts, name: chart}

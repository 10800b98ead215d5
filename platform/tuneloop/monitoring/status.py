"""A model's state as an operator reads it: OK, WARN, ALERT, NO DATA or TOO FEW LABELS, and since when."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlmodel import Session, col, exists, func, select

from tuneloop.kit.clock import now
from tuneloop.registry.service import aliases
from tuneloop.tables import (
    AdapterVersion,
    Alert,
    AlertLevel,
    AlertState,
    Alias,
    Monitor,
    MonitorStatus,
    Prediction,
    Reading,
)

LABEL_WINDOW = timedelta(days=28)
DATA_WINDOW = timedelta(days=14)
FEWEST_LABELS = 20
"""Fewest labels within `LABEL_WINDOW` with which silence of the chart means anything."""

OUTLIVED = " That was an earlier version; labels of the one in production now will show whether it is mended."


def monitor_of(session: Session, model_id: UUID) -> Monitor | None:
    """The monitor of the version in production."""
    production = aliases(session, model_id).get(Alias.PRODUCTION)
    if production is None:
        return None
    return session.exec(select(Monitor).where(Monitor.version_id == production.id)).one_or_none()


def open_alerts(session: Session, model_id: UUID) -> list[Alert]:
    """Most serious first, then newest."""
    rows = session.exec(select(Alert).where(Alert.model_id == model_id, Alert.state == AlertState.OPEN)).all()
    return sorted(rows, key=lambda row: (row.level is not AlertLevel.ALERT, -row.opened_at.timestamp()))


def refresh_status(session: Session, monitor: Monitor, *, at: datetime | None = None) -> MonitorStatus:
    """Work the state out again from open alerts, traffic and labels, and store it.

    An alert about an earlier version only warns: the new one has yet to show that it is mended.
    """
    at = at or now()
    status = _status(session, monitor, at)
    if status is not monitor.status:
        monitor.status, monitor.status_since = status, at
        session.add(monitor)
    return status


def state_of(monitor: Monitor | None, alerts: Sequence[Alert]) -> MonitorStatus:
    """As stored; of a model that nothing is measured of, by its alerts alone."""
    if monitor is not None:
        return monitor.status
    if not alerts:
        return MonitorStatus.NO_DATA
    return MonitorStatus.ALERT if alerts[0].level is AlertLevel.ALERT else MonitorStatus.WARN


class Lately(NamedTuple):
    """What a monitor's version was seen to do: labels within `LABEL_WINDOW`, any answer within `DATA_WINDOW`."""

    labels: int
    answers: bool


NOTHING = Lately(0, answers=False)


def lately(session: Session, monitors: Sequence[Monitor], at: datetime) -> dict[UUID, Lately]:
    """By the monitor's id."""
    labels = dict(
        session.exec(
            select(Reading.monitor_id, func.sum(Reading.n))
            .where(
                col(Reading.monitor_id).in_([each.id for each in monitors]),
                col(Reading.model_id).in_([each.model_id for each in monitors]),
                Reading.stream == "labels",
                col(Reading.at) > at - LABEL_WINDOW,
            )
            .group_by(col(Reading.monitor_id))
        ).all()
    )
    answered = set(
        session.exec(
            select(AdapterVersion.id).where(
                col(AdapterVersion.id).in_([each.version_id for each in monitors]),
                exists().where(
                    col(Prediction.model_id) == AdapterVersion.model_id,
                    col(Prediction.version_id) == AdapterVersion.id,
                    col(Prediction.at) > at - DATA_WINDOW,
                ),
            )
        )
    )
    return {each.id: Lately(int(labels.get(each.id, 0)), each.version_id in answered) for each in monitors}


def explain(monitor: Monitor | None, alerts: list[Alert], seen: Lately) -> str:
    """Why the state is what it is, and what to do about it."""
    if monitor is None:
        if alerts:
            return alerts[0].summary
        return "Nothing is watched: train and deploy a first version, or import a golden set for the one there is."
    if monitor.status in (MonitorStatus.ALERT, MonitorStatus.WARN) and alerts:
        earlier = all(alert.monitor_id not in (monitor.id, None) for alert in alerts)
        return alerts[0].summary + (OUTLIVED if earlier else "")
    if monitor.status is MonitorStatus.NO_DATA and seen.answers:
        return "Production answers. What it said is judged at the next reading; label some of it meanwhile."
    if monitor.status is MonitorStatus.NO_DATA:
        return (
            f"Production gave no answers in the last {DATA_WINDOW.days} days: check that the client's application "
            "calls this model."
        )
    if monitor.status is MonitorStatus.TOO_FEW_LABELS:
        return (
            f"Only {seen.labels} labels in the last {LABEL_WINDOW.days} days: label at least {FEWEST_LABELS} sampled "
            "answers, or a fall would go unseen."
        )
    return f"No sign of a fall in {seen.labels} labels of the last {LABEL_WINDOW.days} days."


def _status(session: Session, monitor: Monitor, at: datetime) -> MonitorStatus:
    alerts = open_alerts(session, monitor.model_id)
    if any(alert.level is AlertLevel.ALERT and alert.monitor_id in (monitor.id, None) for alert in alerts):
        return MonitorStatus.ALERT
    if alerts:
        return MonitorStatus.WARN
    seen = lately(session, [monitor], at)[monitor.id]
    if not seen.answers:
        return MonitorStatus.NO_DATA
    if seen.labels < FEWEST_LABELS:
        return MonitorStatus.TOO_FEW_LABELS
    return MonitorStatus.OK

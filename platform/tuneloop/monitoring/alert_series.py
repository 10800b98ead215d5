"""What the readings of a monitor said, with their dates: from this an alert is drawn."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.tables import Alert, AlertKind, Reading

MOST_READINGS = 26

Series = dict[str, list[dict[str, Any]]]
"""Name to dated rates, oldest first."""


def accuracy_series(session: Session, monitor_id: UUID, *, until: datetime) -> Series:
    return {"accuracy": _dated(session, monitor_id, "labels", until, lambda detail: detail.get("accuracy"))}


def category_series(session: Session, monitor_id: UUID, names: Sequence[str], *, until: datetime) -> Series:
    def of(name: str) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
        return lambda detail: detail.get("categories", {}).get(name)

    return {name: _dated(session, monitor_id, "labels", until, of(name)) for name in names}


def reports_series(session: Session, monitor_id: UUID, *, until: datetime) -> Series:
    return {"reports": _dated(session, monitor_id, "reports", until, lambda detail: detail.get("reported"))}


def series_of(session: Session, alert: Alert) -> Series:
    """As the alert keeps them; of one that kept none, what the readings of its time say."""
    kept: Series | None = alert.evidence.get("series")
    if kept is not None:
        return kept
    if alert.monitor_id is None:
        return {}
    if alert.kind is AlertKind.ACCURACY:
        return accuracy_series(session, alert.monitor_id, until=alert.opened_at)
    if alert.kind is AlertKind.CATEGORY:
        return category_series(session, alert.monitor_id, alert.evidence.get("fallen", ()), until=alert.opened_at)
    return reports_series(session, alert.monitor_id, until=alert.opened_at) if alert.kind is AlertKind.REPORTS else {}


def _dated(
    session: Session,
    monitor_id: UUID,
    stream: str,
    until: datetime,
    pick: Callable[[dict[str, Any]], dict[str, Any] | None],
) -> list[dict[str, Any]]:
    query = select(Reading).where(
        Reading.monitor_id == monitor_id, Reading.stream == stream, Reading.n > 0, Reading.at <= until
    )
    newest = session.exec(query.order_by(col(Reading.at).desc()).limit(MOST_READINGS)).all()
    return [
        {"at": row.at.isoformat(), **{key: rate[key] for key in ("value", "low", "high", "n")}}
        for row in reversed(newest)
        if (rate := pick(row.detail)) and rate["n"]
    ]

"""What ends automatically: alerts about an earlier version, and warnings that the next labels did not confirm."""

from collections.abc import Mapping
from datetime import datetime

from sqlmodel import Session, col, select

from tuneloop.monitoring.alerts import resolve_by_monitor
from tuneloop.monitoring.rates import figure_from
from tuneloop.monitoring.status import FEWEST_LABELS, lately
from tuneloop.tables import AdapterVersion, Alert, AlertKind, AlertLevel, AlertState, Monitor, Reading


def resolve_unconfirmed(session: Session, monitor: Monitor, readings: Mapping[str, Reading], *, at: datetime) -> None:
    """Warnings of this version whose stream is quiet again. What was proven stays until somebody decides."""
    labels, reports = readings["labels"], readings["reports"]
    quiet = set()
    if labels.n and not labels.alarm:
        quiet.add(AlertKind.ACCURACY)
        if not labels.detail.get("category_alarms"):
            quiet.add(AlertKind.CATEGORY)
    if reports.n and not reports.alarm:
        quiet.add(AlertKind.REPORTS)
    warnings = session.exec(
        select(Alert).where(
            Alert.monitor_id == monitor.id,
            Alert.state == AlertState.OPEN,
            Alert.level == AlertLevel.WARN,
            col(Alert.kind).in_(quiet),
        )
    )
    for alert in warnings.all():
        stream = reports if alert.kind is AlertKind.REPORTS else labels
        resolve_by_monitor(
            session,
            alert,
            f"Not confirmed: {stream.n} {'answers' if stream is reports else 'labels'} since then show no such change.",
            at=at,
        )


def resolve_outlived(session: Session, monitor: Monitor, labels: Reading, *, at: datetime) -> None:
    """Resolve what was found in earlier versions once this one has enough labels and no alarm."""
    outlived = session.exec(
        select(Alert).where(
            Alert.model_id == monitor.model_id,
            Alert.state == AlertState.OPEN,
            col(Alert.monitor_id) != monitor.id,
        )
    ).all()
    if (
        not outlived
        or labels.alarm
        or not labels.n
        or lately(session, [monitor], at)[monitor.id].labels < FEWEST_LABELS
    ):
        return
    number = session.get_one(AdapterVersion, monitor.version_id).number
    accuracy = figure_from(labels.detail["accuracy"])
    for alert in outlived:
        resolve_by_monitor(
            session,
            alert,
            f"v{number} is in production and shows no fall: {100 * (accuracy.value or 0):.0f} % right "
            f"({100 * accuracy.low:.0f}-{100 * accuracy.high:.0f} %, n={accuracy.n})",
            at=at,
            evidence={"current": labels.detail["accuracy"]},
        )

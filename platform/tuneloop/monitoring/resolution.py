"""Alerts about an earlier version end when labels of the new one are quiet, and not before."""

from datetime import datetime

from sqlmodel import Session, col, select

from tuneloop.monitoring.alerts import resolve_by_monitor
from tuneloop.monitoring.figures import figure_from
from tuneloop.monitoring.status import FEWEST_LABELS, recent_labels
from tuneloop.tables import AdapterVersion, Alert, AlertState, Monitor, Reading


def resolve_outlived(session: Session, monitor: Monitor, labels: Reading, *, at: datetime) -> None:
    """Resolve what was found in earlier versions once this one has enough labels and no alarm."""
    outlived = session.exec(
        select(Alert).where(
            Alert.model_id == monitor.model_id,
            Alert.state == AlertState.OPEN,
            col(Alert.monitor_id) != monitor.id,
        )
    ).all()
    if not outlived or labels.alarm or not labels.n or recent_labels(session, monitor, at) < FEWEST_LABELS:
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

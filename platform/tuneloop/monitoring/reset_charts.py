"""Charts that begin anew: after a person has closed an alert, the evidence behind it no longer counts."""

from typing import Any

from sqlmodel import Session

from tuneloop.monitoring.alert_kinds import ALERT_KINDS
from tuneloop.tables import AlertKind, Monitor


def restart_charts(session: Session, monitor: Monitor, kind: AlertKind) -> None:
    """Forget what a chart has seen and keep its baseline; traffic is compared with what comes next."""
    name = ALERT_KINDS[kind].chart
    if name is None or name not in monitor.charts:
        return
    charts: dict[str, Any] = dict(monitor.charts)
    if kind is AlertKind.TRAFFIC:
        del charts[name]
    else:
        charts[name] = {**charts[name], "weeks": []}
    monitor.charts = charts
    session.add(monitor)

"""Watch a version in production: one reading a period, an alert when the labels prove a fall."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.evals.service import latest_run
from tuneloop.kit.clock import now
from tuneloop.kit.errors import InvalidInput
from tuneloop.monitoring.alerts import notify_again, raise_alert
from tuneloop.monitoring.findings import accuracy_finding
from tuneloop.monitoring.resolution import resolve_outlived
from tuneloop.monitoring.schedules import begin_schedules
from tuneloop.monitoring.status import refresh_status
from tuneloop.monitoring.streams import Judge, read_confidence, read_labels, read_reports
from tuneloop.registry.service import aliases, policy_of
from tuneloop.stats.charts import DriftChart
from tuneloop.tables import AdapterVersion, Alias, Monitor, Reading, RegisteredModel


def start_monitor(session: Session, version: AdapterVersion) -> Monitor | None:
    """Begin, or go on with, watching a version; its baseline is its own evaluation. None without one."""
    known = session.exec(select(Monitor).where(Monitor.version_id == version.id)).one_or_none()
    if known is not None:
        known.read_until = known.updated_at = now()
        session.add(known)
        return known
    baseline = latest_run(session, version.id)
    if baseline is None:
        return None
    model = session.get_one(RegisteredModel, version.model_id)
    chart = DriftChart((baseline.correct, baseline.n), false_alarm_rate=policy_of(model).false_alarm_rate)
    monitor = Monitor(
        client_id=version.client_id,
        model_id=version.model_id,
        version_id=version.id,
        baseline_run_id=baseline.id,
        charts={"labels": chart.to_dict()},
        read_until=now(),
    )
    session.add(monitor)
    session.flush()
    begin_schedules(session, monitor)
    return monitor


def read_monitor(
    session: Session, *, model: RegisteredModel, judge: Judge, until: datetime | None = None
) -> list[Reading]:
    """Read all streams of the period since the last reading, and open an alert if the labels prove a fall.

    Raises:
        InvalidInput: nothing is in production, or its version was never evaluated.
    """
    until = until or now()
    production = aliases(session, model.id).get(Alias.PRODUCTION)
    monitor = (
        session.exec(select(Monitor).where(Monitor.version_id == production.id).with_for_update()).one_or_none()
        if production
        else None
    )
    if monitor is None:
        raise InvalidInput("there is nothing to monitor: deploy an evaluated version first")
    readings = {
        reading.stream: reading
        for reading in (
            read_labels(session, monitor, judge, until=until),
            read_confidence(session, monitor, until=until),
            read_reports(session, monitor, until=until),
        )
    }
    session.add_all(readings.values())
    monitor.read_until, monitor.updated_at = until, now()
    session.add(monitor)
    session.flush()
    if readings["labels"].alarm:
        raise_alert(session, monitor, accuracy_finding(session, model, monitor, readings), at=until)
    resolve_outlived(session, monitor, readings["labels"], at=until)
    notify_again(session, model.id, at=until)
    session.flush()
    refresh_status(session, monitor, at=until)
    return list(readings.values())


def readings_of(session: Session, model_id: UUID, *, limit: int = 300) -> list[Reading]:
    """Newest first."""
    query = select(Reading).where(Reading.model_id == model_id)
    return list(session.exec(query.order_by(col(Reading.at).desc(), Reading.stream).limit(limit)))

"""Watch a version in production: a reading per week, and an alert when a stream has found something."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.evaluation.marking import Marking
from tuneloop.evaluation.service import latest_run
from tuneloop.kit.clock import now
from tuneloop.kit.errors import InvalidInput
from tuneloop.monitoring.accuracy import read_labels
from tuneloop.monitoring.alerts import notify_again, raise_alert
from tuneloop.monitoring.drift_detection import read_confidence
from tuneloop.monitoring.drift_followup import ask_about
from tuneloop.monitoring.estimated_accuracy import read_label_free
from tuneloop.monitoring.findings import Readings, accuracy_finding, category_finding, reports_finding
from tuneloop.monitoring.periods import Period
from tuneloop.monitoring.resolution import resolve_outlived, resolve_unconfirmed
from tuneloop.monitoring.schedules import begin_schedules
from tuneloop.monitoring.status import refresh_status
from tuneloop.monitoring.user_reports import read_reports
from tuneloop.registry.service import aliases, policy_of
from tuneloop.stats.control_charts import DriftChart
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
    session: Session, *, model: RegisteredModel, judge: Marking, until: datetime | None = None
) -> list[Reading]:
    """Read all streams of the period since the last reading, and open alerts for what they have found.

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
    period = Period(model, monitor, monitor.read_until, until)
    labels = read_labels(session, period, judge)
    found = [
        labels,
        read_confidence(session, period),
        read_reports(session, period),
        read_label_free(session, period, labels),
    ]
    session.add_all(found)
    monitor.read_until, monitor.updated_at = until, now()
    session.add(monitor)
    session.flush()
    _act(session, period, {reading.stream: reading for reading in found})
    session.flush()
    refresh_status(session, monitor, at=until)
    return found


def readings_of(session: Session, model_id: UUID, *, limit: int = 300) -> list[Reading]:
    """Newest first."""
    query = select(Reading).where(Reading.model_id == model_id)
    return list(session.exec(query.order_by(col(Reading.at).desc(), Reading.stream).limit(limit)))


def _act(session: Session, period: Period, readings: Readings) -> None:
    """Open, raise or end alerts. A fall of overall accuracy says more than one of its categories, so it goes first."""
    model, monitor, at = period.model, period.monitor, period.until
    if readings["labels"].alarm:
        raise_alert(session, monitor, accuracy_finding(session, model, monitor, readings), at=at)
    elif readings["labels"].detail.get("category_alarms"):
        raise_alert(session, monitor, category_finding(session, model, monitor, readings), at=at)
    if readings["reports"].alarm:
        raise_alert(session, monitor, reports_finding(session, monitor, readings), at=at)
    if readings["confidence"].alarm:
        ask_about(session, period, readings["confidence"])
    resolve_unconfirmed(session, monitor, readings, at=at)
    resolve_outlived(session, monitor, readings["labels"], at=at)
    notify_again(session, model.id, at=at)

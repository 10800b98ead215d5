"""Alerts from opening to end. One alert is open per model and kind; whatever happens to it adds an event.

The evidence of an alert is that of its opening, for good. Bot and console read the events.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, InvalidInput, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.monitoring.alert_kinds import ALERT_KINDS
from tuneloop.monitoring.reset_charts import restart_charts
from tuneloop.monitoring.schedules import bring_retrain_forward
from tuneloop.monitoring.status import monitor_of, refresh_status
from tuneloop.tables import (
    Alert,
    AlertChange,
    AlertEvent,
    AlertKind,
    AlertLevel,
    AlertState,
    Monitor,
    RegisteredModel,
    Role,
)

NOTIFY_AGAIN = timedelta(days=7)
LONGEST_SNOOZE = timedelta(days=60)


@dataclass(frozen=True)
class AlertFinding:
    """What a stream has found. `fallen` names the categories that a retrain should mend."""

    kind: AlertKind
    level: AlertLevel
    summary: str
    evidence: dict[str, Any]


class _About(NamedTuple):
    client_id: UUID
    model_id: UUID
    monitor_id: UUID | None


def alerts_of(session: Session, model_id: UUID) -> list[Alert]:
    """Newest first."""
    query = select(Alert).where(Alert.model_id == model_id)
    return list(session.exec(query.order_by(col(Alert.opened_at).desc())))


def find_alert(session: Session, alert_id: UUID) -> Alert:
    alert = session.get(Alert, alert_id)
    if alert is None:
        raise NotFound("alert", alert_id)
    return alert


def events_of(session: Session, alert_id: UUID) -> list[AlertEvent]:
    """Oldest first."""
    query = select(AlertEvent).where(AlertEvent.alert_id == alert_id)
    return list(session.exec(query.order_by(col(AlertEvent.at), col(AlertEvent.id))))


def open_alert_of(session: Session, model_id: UUID, kind: AlertKind) -> Alert | None:
    query = select(Alert).where(Alert.model_id == model_id, Alert.kind == kind, Alert.state == AlertState.OPEN)
    return session.exec(query.with_for_update()).one_or_none()


def raise_alert(session: Session, monitor: Monitor, finding: AlertFinding, *, at: datetime | None = None) -> Alert:
    """Open an alert, or add to the open one of the same kind: it may be raised, never lowered."""
    at = at or now()
    if finding.level is AlertLevel.ALERT and ALERT_KINDS[finding.kind].mended_by_training:
        bring_retrain_forward(session, monitor, at=at)
    return _raise(session, _About(monitor.client_id, monitor.model_id, monitor.id), finding, at)


def raise_about_model(
    session: Session, model: RegisteredModel, finding: AlertFinding, *, at: datetime | None = None
) -> Alert:
    """As `raise_alert`, also of a model that nothing is measured of."""
    monitor, at = monitor_of(session, model.id), at or now()
    if monitor is None:
        return _raise(session, _About(model.client_id, model.id, None), finding, at)
    alert = raise_alert(session, monitor, finding, at=at)
    session.flush()
    refresh_status(session, monitor, at=at)
    return alert


def remind(session: Session, alert: Alert, summary: str, *, at: datetime) -> None:
    """Say it once more, also to whoever asked for quiet."""
    alert.notified_at, alert.snoozed_until = at, None
    _add(session, alert, AlertChange.NOTIFIED, at=at, actor="monitor", summary=summary)


def _raise(session: Session, about: _About, finding: AlertFinding, at: datetime) -> Alert:
    alert = open_alert_of(session, about.model_id, finding.kind)
    if alert is None:
        return _open(session, about, finding, at)
    alert.monitor_id = about.monitor_id
    raised = finding.level is AlertLevel.ALERT and alert.level is AlertLevel.WARN
    if raised:
        alert.level, alert.summary, alert.snoozed_until, alert.notified_at = finding.level, finding.summary, None, at
    _add(
        session,
        alert,
        AlertChange.RAISED if raised else AlertChange.REPEATED,
        at=at,
        actor="monitor",
        summary=finding.summary,
        evidence=finding.evidence,
    )
    return alert


def notify_again(session: Session, model_id: UUID, *, at: datetime | None = None) -> list[Alert]:
    """Remind of alerts that stay open for long and are not, or no longer, snoozed."""
    at = at or now()
    reminded = []
    for alert in session.exec(select(Alert).where(Alert.model_id == model_id, Alert.state == AlertState.OPEN)):
        if alert.notified_at > at - NOTIFY_AGAIN or (alert.snoozed_until and alert.snoozed_until > at):
            continue
        alert.notified_at = at
        days = (at - alert.opened_at).days
        _add(
            session,
            alert,
            AlertChange.NOTIFIED,
            at=at,
            actor="monitor",
            summary=f"Open for {days} {'day' if days == 1 else 'days'}: {alert.summary}",
        )
        reminded.append(alert)
    return reminded


def snooze(session: Session, *, principal: Principal, alert_id: UUID, until: datetime, reason: str) -> Alert:
    """Be quiet about an open alert until then, unless it gets worse. Its state still shows.

    Raises:
        InvalidInput: the time is past, or too far away. Conflict: the alert is closed.
    """
    alert = _changing(session, principal, alert_id)
    if not now() < until <= now() + LONGEST_SNOOZE:
        raise InvalidInput(
            f"snooze until a time within the next {LONGEST_SNOOZE.days} days, not {until:%Y-%m-%d %H:%M}", param="until"
        )
    alert.snoozed_until = until
    summary = f"Snoozed until {until:%Y-%m-%d %H:%M} UTC: {_reason(reason)}"
    _decided(session, principal, alert, AlertChange.SNOOZED, summary, reason)
    return alert


def dismiss(session: Session, *, principal: Principal, alert_id: UUID, reason: str) -> Alert:
    """It was no problem: close it and collect evidence anew. Raises Conflict when the alert is closed."""
    return _close(session, principal, alert_id, AlertState.DISMISSED, AlertChange.DISMISSED, reason)


def resolve(session: Session, *, principal: Principal, alert_id: UUID, reason: str) -> Alert:
    """The problem is solved: close it and collect evidence anew. Raises Conflict when the alert is closed."""
    return _close(session, principal, alert_id, AlertState.RESOLVED, AlertChange.RESOLVED, reason)


def resolve_by_monitor(
    session: Session, alert: Alert, reason: str, *, at: datetime | None = None, evidence: dict[str, Any] | None = None
) -> None:
    """What the monitor itself found to be over."""
    _end(alert, AlertState.RESOLVED, "monitor", reason, at or now())
    _add(
        session,
        alert,
        AlertChange.RESOLVED,
        at=alert.resolved_at,
        actor="monitor",
        summary=reason,
        evidence=evidence or {},
    )
    _audit(session, Principal.system(alert.agency_id, "monitor"), alert, "alert.resolve", reason=reason)


def _open(session: Session, about: _About, finding: AlertFinding, at: datetime) -> Alert:
    alert = Alert(
        client_id=about.client_id,
        model_id=about.model_id,
        monitor_id=about.monitor_id,
        kind=finding.kind,
        level=finding.level,
        summary=finding.summary,
        evidence={"fallen": [], **finding.evidence},
        opened_at=at,
        notified_at=at,
    )
    session.add(alert)
    session.flush()
    _add(
        session,
        alert,
        AlertChange.OPENED,
        at=at,
        actor="monitor",
        summary=finding.summary,
        evidence=alert.evidence,
    )
    _audit(session, Principal.system(alert.agency_id, "monitor"), alert, "alert.open", summary=alert.summary)
    return alert


def _close(
    session: Session, principal: Principal, alert_id: UUID, state: AlertState, change: AlertChange, reason: str
) -> Alert:
    alert = _changing(session, principal, alert_id)
    _end(alert, state, principal.name, _reason(reason), now())
    monitor = monitor_of(session, alert.model_id)
    if monitor is not None:
        restart_charts(session, monitor, alert.kind)
    _decided(session, principal, alert, change, f"{state.value.capitalize()}: {_reason(reason)}", reason)
    return alert


def _changing(session: Session, principal: Principal, alert_id: UUID) -> Alert:
    principal.require(Role.OPERATOR)
    alert = session.exec(select(Alert).where(Alert.id == alert_id).with_for_update()).one_or_none()
    if alert is None:
        raise NotFound("alert", alert_id)
    if alert.state is not AlertState.OPEN:
        by = f" by {alert.resolved_by}" if alert.resolved_by else ""
        raise Conflict(f"this alert was {alert.state}{by} already", alert_id=str(alert_id), state=alert.state)
    return alert


def _reason(reason: str) -> str:
    if not reason.strip():
        raise InvalidInput("say why, for those who read it later", param="reason")
    return reason.strip()


def _end(alert: Alert, state: AlertState, by: str, reason: str, at: datetime) -> None:
    alert.state, alert.resolved_at, alert.resolved_by, alert.resolution = state, at, by, reason


def _decided(
    session: Session, principal: Principal, alert: Alert, change: AlertChange, summary: str, reason: str
) -> None:
    _add(session, alert, change, actor=principal.name, summary=summary)
    _audit(session, principal, alert, f"alert.{change.value}", reason=reason.strip())
    session.flush()
    monitor = monitor_of(session, alert.model_id)
    if monitor is not None:
        refresh_status(session, monitor)


def _add(
    session: Session,
    alert: Alert,
    change: AlertChange,
    *,
    actor: str,
    summary: str,
    at: datetime | None = None,
    evidence: dict[str, Any] | None = None,
) -> None:
    session.add(alert)
    session.add(
        AlertEvent(
            client_id=alert.client_id,
            alert_id=alert.id,
            at=at or now(),
            change=change,
            level=alert.level,
            actor=actor,
            summary=summary,
            evidence=evidence or {},
        )
    )


def _audit(session: Session, principal: Principal, alert: Alert, action: str, **detail: Any) -> None:
    record(session, principal, action, "alert", alert.id, client_id=alert.client_id, **detail)

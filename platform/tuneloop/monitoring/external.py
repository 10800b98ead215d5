"""Watch what others host: whether a service still answers us, and how long it will."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import ColumnElement, or_
from sqlmodel import Session, col, select

from tuneloop.kit.clock import now
from tuneloop.kit.jobs import enqueue_once
from tuneloop.monitoring.alerts import (
    AlertFinding,
    alerts_of,
    events_of,
    open_alert_of,
    raise_about_model,
    remind,
    resolve_by_monitor,
)
from tuneloop.monitoring.jobs import WatchEndpoint
from tuneloop.tables import (
    AlertKind,
    AlertLevel,
    Alias,
    ExternalEndpoint,
    RegisteredModel,
    VersionAlias,
)

STEPS = (0, 7, 30, 90)
"""Days before the end at which it is told, and told again."""

WATCHED_EVERY = timedelta(hours=12)
PROBLEM_EVERY = timedelta(minutes=5)
ENDPOINTS_AT_ONCE = 100


@dataclass(frozen=True)
class Seen:
    """What asking the service has shown. `asked`: whether a question was put to it, and not only its list read."""

    ends_on: date | None
    asked: bool
    problem: str | None


def keep(session: Session, endpoint_id: UUID, seen: Seen, *, at: datetime | None = None) -> None:
    """Store what was seen, and open, remind of or end the alerts about it."""
    at = at or now()
    query = select(ExternalEndpoint).where(ExternalEndpoint.id == endpoint_id)
    endpoint = session.exec(query.with_for_update()).one_or_none()
    if endpoint is None:
        return
    endpoint.checked_at = at
    if seen.ends_on is not None and not endpoint.end_is_typed:
        endpoint.ends_on = seen.ends_on
    if seen.asked and seen.problem is None:
        endpoint.problem = endpoint.problem_at = endpoint.confirmed_at = None
    elif seen.asked:
        endpoint.problem, endpoint.confirmed_at = seen.problem, at
        endpoint.problem_at = endpoint.problem_at or at
    session.add(endpoint)
    session.flush()
    tell(session, endpoint, at=at)


def tell(session: Session, endpoint: ExternalEndpoint, *, at: datetime) -> None:
    """Alerts about the service in production; those about one that is not any more end."""
    model = session.get_one(RegisteredModel, endpoint.model_id)
    production = session.exec(
        select(VersionAlias.version_id).where(VersionAlias.model_id == model.id, VersionAlias.name == Alias.PRODUCTION)
    ).one_or_none()
    if production != endpoint.version_id:
        for kind in (AlertKind.END_OF_LIFE, AlertKind.SERVICE):
            about = open_alert_of(session, model.id, kind)
            if about is not None and about.evidence.get("endpoint_id") == str(endpoint.id):
                resolve_by_monitor(session, about, "Another version is in production now.", at=at)
        return
    _tell_problem(session, model, endpoint, at)
    _tell_end(session, model, endpoint, at)


def days_left(endpoint: ExternalEndpoint, at: datetime) -> int | None:
    """Until its last day; negative after it, None where nobody knows of an end."""
    return None if endpoint.ends_on is None else (endpoint.ends_on - at.date()).days


def _tell_problem(session: Session, model: RegisteredModel, endpoint: ExternalEndpoint, at: datetime) -> None:
    known = open_alert_of(session, model.id, AlertKind.SERVICE)
    if endpoint.problem is None:
        if known is not None:
            resolve_by_monitor(session, known, "The service answers again.", at=at)
        return
    if known is not None or endpoint.confirmed_at is None:
        return
    summary = (
        f"The service behind production does not answer: {endpoint.problem}. The client's application gets errors "
        "until it does. Give the version another key or look at the account there; if the model is gone, roll back or "
        "train one here."
    )
    raise_about_model(session, model, AlertFinding(AlertKind.SERVICE, AlertLevel.ALERT, summary, _who(endpoint)), at=at)


def _tell_end(session: Session, model: RegisteredModel, endpoint: ExternalEndpoint, at: datetime) -> None:
    left = days_left(endpoint, at)
    step = next((each for each in STEPS if left is not None and left <= each), None)
    known = open_alert_of(session, model.id, AlertKind.END_OF_LIFE)
    if left is None or step is None:
        if known is not None:
            resolve_by_monitor(session, known, "The service has no end within 90 days any more.", at=at)
        return
    told = _step_told(session, model, endpoint)
    if told is not None and told <= step:
        return
    finding = AlertFinding(
        AlertKind.END_OF_LIFE,
        AlertLevel.WARN if step == max(STEPS) else AlertLevel.ALERT,
        _end_in_words(endpoint, left),
        _who(endpoint) | {"ends_on": str(endpoint.ends_on), "days_left": left, "step": step},
    )
    raise_about_model(session, model, finding, at=at)
    if known is not None:
        remind(session, known, finding.summary, at=at)


def _step_told(session: Session, model: RegisteredModel, endpoint: ExternalEndpoint) -> int | None:
    """The nearest step to this end that somebody was told of, whatever they have done about it."""
    evidence = [
        event.evidence
        for alert in alerts_of(session, model.id)
        if alert.kind is AlertKind.END_OF_LIFE
        for event in events_of(session, alert.id)
    ]
    mine = _who(endpoint) | {"ends_on": str(endpoint.ends_on)}
    return min((each["step"] for each in evidence if each.items() >= mine.items()), default=None)


def _end_in_words(endpoint: ExternalEndpoint, left: int) -> str:
    assert endpoint.ends_on is not None
    host, day = urlsplit(endpoint.url).hostname, f"{endpoint.ends_on:%-d %B %Y}"
    if left <= 0:
        return (
            f"{host} answers no more for {endpoint.model_name}: its last day was {day}. The client's application gets "
            "errors. Put a version of your own into production."
        )
    days = f"{left} {'day' if left == 1 else 'days'}"
    return (
        f"{host} stops answering for {endpoint.model_name} in {days}, on {day}. Record its answers while it "
        "gives any, and train a version here that is proven against them: the model's page Migration leads through it."
    )


def _who(endpoint: ExternalEndpoint) -> dict[str, Any]:
    return {"endpoint_id": str(endpoint.id), "service": urlsplit(endpoint.url).hostname, "model": endpoint.model_name}


def due_endpoints(session: Session) -> Sequence[UUID]:
    query = select(ExternalEndpoint.id).where(_is_due()).order_by(col(ExternalEndpoint.checked_at))
    return session.exec(query.limit(ENDPOINTS_AT_ONCE)).all()


def watch(session: Session, endpoint_id: UUID) -> None:
    query = select(ExternalEndpoint).where(ExternalEndpoint.id == endpoint_id, _is_due())
    endpoint = session.exec(query.with_for_update(skip_locked=True)).one_or_none()
    if endpoint is not None:
        enqueue_once(session, WatchEndpoint(endpoint_id=endpoint.id), endpoint.id, owner=endpoint)


def _is_due() -> ColumnElement[bool]:
    """By the calendar; at once where the gateway has noted a problem, and every few minutes while it lasts."""
    at, noted = now(), col(ExternalEndpoint.problem_at)
    checked = col(ExternalEndpoint.checked_at)
    return or_(
        checked < at - WATCHED_EVERY,
        noted.is_not(None) & ((checked < noted) | (checked < at - PROBLEM_EVERY)),
    )


def ends_of(session: Session) -> dict[UUID, date]:
    """Last day of the service that is in production, by model; only those that are known."""
    query = (
        select(ExternalEndpoint)
        .join(VersionAlias, col(VersionAlias.version_id) == ExternalEndpoint.version_id)
        .where(VersionAlias.name == Alias.PRODUCTION, col(ExternalEndpoint.ends_on).is_not(None))
    )
    return {each.model_id: each.ends_on for each in session.exec(query) if each.ends_on is not None}

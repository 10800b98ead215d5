"""Write and read the audit log."""

from typing import Any
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.kit.principal import Principal
from tuneloop.tables import AuditEvent


def record(
    session: Session,
    principal: Principal,
    action: str,
    subject_kind: str,
    subject_id: object,
    *,
    client_id: UUID | None = None,
    **detail: Any,
) -> AuditEvent:
    """Add an event to the caller's transaction: it is there exactly when the change is."""
    event = AuditEvent(
        agency_id=principal.agency_id,
        actor_kind=principal.kind,
        actor_id=principal.actor_id,
        actor_name=principal.signature,
        origin=principal.origin,
        action=action,
        subject_kind=subject_kind,
        subject_id=str(subject_id),
        client_id=client_id or principal.client_id,
        detail=detail,
    )
    session.add(event)
    return event


def events(
    session: Session, *, subject_kind: str | None = None, subject_id: str | None = None, limit: int = 100
) -> list[AuditEvent]:
    """Newest first."""
    query = select(AuditEvent).order_by(col(AuditEvent.at).desc(), col(AuditEvent.id).desc()).limit(limit)
    if subject_kind:
        query = query.where(AuditEvent.subject_kind == subject_kind)
    if subject_id:
        query = query.where(AuditEvent.subject_id == subject_id)
    return list(session.exec(query))

"""Who did what, when, from where: rows are only ever added."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from tuneloop.kit.clock import now
from tuneloop.kit.columns import text_enum
from tuneloop.kit.principal import ActorKind
from tuneloop.kit.tenancy import Tenant


class AuditEvent(Tenant, table=True):
    names_objects: ClassVar[bool] = False
    __tablename__ = "audit_event"
    __table_args__ = (Index("ix_audit_event_subject", "subject_kind", "subject_id"),)

    client_key: ClassVar[str | None] = "client_id"

    at: datetime = Field(default_factory=now)
    actor_kind: ActorKind = Field(sa_type=text_enum(ActorKind))
    actor_id: UUID | None = None
    actor_name: str
    origin: str
    action: str
    subject_kind: str
    subject_id: str
    client_id: UUID | None = None
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)

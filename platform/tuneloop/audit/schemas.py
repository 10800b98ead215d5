"""What the audit endpoint reads."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from tuneloop.tables import ActorKind


class AuditRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    at: datetime
    actor_kind: ActorKind
    actor_name: str
    origin: str
    action: str
    subject_kind: str
    subject_id: str
    detail: dict[str, Any]

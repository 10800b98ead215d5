"""Links for whoever holds them. Only the token's hash is kept."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from tuneloop.kit.clock import now
from tuneloop.kit.tenancy import ClientOwned, Tenant


class SharedLink(ClientOwned):
    """Opens something for somebody without an account, until it expires or is revoked."""

    token_hash: str = Field(unique=True)
    created_by: str
    created_at: datetime = Field(default_factory=now)
    expires_at: datetime
    revoked_at: datetime | None = None


class OneTimeLink(Tenant, table=True):
    """A link that does one thing once: install, link an identity, answer a question."""

    __tablename__ = "one_time_link"
    client_key: ClassVar[str | None] = "client_id"

    client_id: UUID | None = Field(default=None, foreign_key="client.id")
    purpose: str
    token_hash: str = Field(unique=True)
    payload: dict[str, Any] = Field(sa_type=JSONB)
    created_at: datetime = Field(default_factory=now)
    expires_at: datetime
    used_at: datetime | None = None

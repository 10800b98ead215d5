"""Credentials: API keys and browser sessions, stored as hashes only."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field

from tuneloop.kit.clock import now
from tuneloop.kit.columns import text_enum
from tuneloop.kit.principal import Role
from tuneloop.kit.tenancy import Row, Tenant


class ApiKey(Tenant, table=True):
    """`scope_client_id` confines the key to one client; `prefix` is the part that may be shown."""

    __tablename__ = "api_key"

    name: str
    prefix: str
    key_hash: str = Field(unique=True)
    role: Role = Field(sa_type=text_enum(Role))
    scope_client_id: UUID | None = Field(default=None, foreign_key="client.id")
    created_by: UUID | None = Field(default=None, foreign_key="person.id")
    created_at: datetime = Field(default_factory=now)
    revoked_at: datetime | None = None


class WebSession(Row, table=True):
    """A signed-in browser of one person, working for one agency."""

    __tablename__ = "web_session"

    token_hash: str = Field(unique=True)
    user_id: UUID = Field(foreign_key="person.id", index=True)
    session_agency_id: UUID = Field(foreign_key="agency.id")
    csrf_token: str
    created_at: datetime = Field(default_factory=now)
    expires_at: datetime

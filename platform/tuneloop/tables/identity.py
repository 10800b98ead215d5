"""Credentials, stored as hashes only: passwords, API keys, browser sessions, and the links by which people get them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlmodel import Field

from tuneloop.kit.clock import now
from tuneloop.kit.columns import text_enum
from tuneloop.kit.principal import Role
from tuneloop.kit.tenancy import Row, Tenant


class ApiKey(Tenant, table=True):
    """`scope_client_id` confines the key to one client; `prefix` is the part that may be shown.

    `previous_hash` is of the secret before the present one, which works until `previous_until`.
    `created_by` is whose key it is. `last_used_at` is true to the minute.
    """

    __tablename__ = "api_key"

    name: str
    prefix: str
    key_hash: str = Field(unique=True)
    role: Role = Field(sa_type=text_enum(Role))
    scope_client_id: UUID | None = Field(default=None, foreign_key="client.id")
    created_by: UUID | None = Field(default=None, foreign_key="person.id")
    created_at: datetime = Field(default_factory=now)
    revoked_at: datetime | None = None
    inference_only: bool = False
    upload_only: bool = False
    previous_hash: str | None = Field(default=None, index=True)
    previous_until: datetime | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    last_used_from: str | None = None


class WebSession(Row, table=True):
    """A signed-in browser of one person, working for one agency.

    `csrf_token` is a hash for the release before this one: what guards forms is derived from the session's token.
    `second_factor_at` is when the person showed their second factor in this session last. `by_provider`: the agency's
    identity provider opened it, so it is good for nothing that is the person's beyond this agency.
    """

    __tablename__ = "web_session"

    token_hash: str = Field(unique=True)
    user_id: UUID = Field(foreign_key="person.id", index=True)
    session_agency_id: UUID = Field(foreign_key="agency.id")
    csrf_token: str
    second_factor_at: datetime | None = None
    by_provider: bool = False
    device: str = ""
    address: str = ""
    created_at: datetime = Field(default_factory=now)
    last_used_at: datetime = Field(default_factory=now)
    expires_at: datetime


class Password(Row, table=True):
    """What opens every agency that the person works for. Only they themselves choose it."""

    __tablename__ = "person_password"

    user_id: UUID = Field(foreign_key="person.id", unique=True)
    password_hash: str
    set_at: datetime = Field(default_factory=now)


class PasswordLink(Row, table=True):
    """Lets whoever reads the person's mail choose a new password, once."""

    __tablename__ = "password_link"

    user_id: UUID = Field(foreign_key="person.id", index=True)
    token_hash: str = Field(unique=True)
    created_at: datetime = Field(default_factory=now)
    expires_at: datetime
    used_at: datetime | None = None


class Invitation(Tenant, table=True):
    """Somebody is asked to join the agency. The link is renewed with `link_id`, from which its token is derived."""

    __table_args__ = (
        Index(
            "uq_invitation_open",
            "agency_id",
            "email",
            unique=True,
            postgresql_where=text("accepted_at is null and withdrawn_at is null"),
        ),
    )

    email: str
    role: Role = Field(sa_type=text_enum(Role))
    invited_client_id: UUID | None = Field(default=None, foreign_key="client.id")
    invited_by: str
    link_id: UUID
    token_hash: str = Field(unique=True)
    created_at: datetime = Field(default_factory=now)
    expires_at: datetime
    accepted_at: datetime | None = None
    accepted_by: UUID | None = Field(default=None, foreign_key="person.id")
    withdrawn_at: datetime | None = None

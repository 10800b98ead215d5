"""Slack workspaces, who is who in them, what came in and what was sent."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from tuneloop.kit.clock import now
from tuneloop.kit.tenancy import Tenant


class SlackInstallation(Tenant, table=True):
    """A workspace that belongs to an agency, until `removed_at`. Tokens are sealed (`kit.crypto`).

    `news_until` is how far what happened in the agency has been looked at for messages.
    """

    __tablename__ = "slack_installation"
    __table_args__ = (
        Index("uq_slack_installation_team", "team_id", unique=True, postgresql_where=text("removed_at is null")),
    )

    team_id: str
    team_name: str
    app_id: str
    bot_user_id: str
    bot_token: str
    refresh_token: str | None = None
    token_expires_at: datetime | None = None
    scopes: str
    installer: str = Field(description="Slack user to whom messages go while no channel is set")
    installed_by: UUID | None = Field(default=None, foreign_key="person.id")
    installed_at: datetime = Field(default_factory=now)
    removed_at: datetime | None = None
    trust_email: bool = Field(default=True, description="link people by the address that Slack has confirmed")
    news_until: datetime = Field(default_factory=now)


class SlackChannel(Tenant, table=True):
    """Where messages about a client go; without a client, where all others go."""

    __tablename__ = "slack_channel"
    __table_args__ = (UniqueConstraint("agency_id", "client_id", postgresql_nulls_not_distinct=True),)
    client_key: ClassVar[str | None] = "client_id"

    installation_id: UUID = Field(foreign_key="slack_installation.id", index=True)
    client_id: UUID | None = Field(default=None, foreign_key="client.id")
    channel: str


class SlackIdentity(Tenant, table=True):
    """A Slack user is this person; what they may do is their membership's business, at the moment they do it."""

    __tablename__ = "slack_identity"
    __table_args__ = (UniqueConstraint("installation_id", "slack_user_id"),)

    installation_id: UUID = Field(foreign_key="slack_installation.id")
    slack_user_id: str
    user_id: UUID = Field(foreign_key="person.id", index=True)
    how: str
    linked_at: datetime = Field(default_factory=now)


class SlackReceipt(Tenant, table=True):
    """A click, command or event as it came in. Slack repeats itself; `key` makes each count once."""

    names_objects: ClassVar[bool] = False
    __tablename__ = "slack_receipt"
    __table_args__ = (UniqueConstraint("installation_id", "key"),)

    installation_id: UUID = Field(foreign_key="slack_installation.id")
    key: str
    kind: str
    slack_user_id: str
    payload: dict[str, Any] = Field(sa_type=JSONB)
    received_at: datetime = Field(default_factory=now)
    handled_at: datetime | None = None
    answer: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    answered_at: datetime | None = None


class SlackMessage(Tenant, table=True):
    """A message that stands for a subject and changes with it: sent when `wanted` is not what was `sent`.

    Both are digests of the content. `attempted_at` is set before a first sending, so that one of unknown outcome is
    looked for in the channel before it is repeated.
    """

    __tablename__ = "slack_message"
    __table_args__ = (
        UniqueConstraint("installation_id", "subject_kind", "subject_id"),
        Index("ix_slack_message_due", "not_before", postgresql_where=text("wanted is distinct from sent")),
    )
    client_key: ClassVar[str | None] = "client_id"

    installation_id: UUID = Field(foreign_key="slack_installation.id")
    client_id: UUID | None = Field(default=None, foreign_key="client.id")
    subject_kind: str
    subject_id: UUID
    channel: str
    posted_in: str | None = None
    ts: str | None = None
    wanted: str
    sent: str | None = None
    answers: list[str] = Field(default_factory=list, sa_type=JSONB, description="predictions that it shows, in order")
    images: dict[str, str] = Field(default_factory=dict, sa_type=JSONB, description="Slack's file ids by content")
    not_before: datetime = Field(default_factory=now)
    attempted_at: datetime | None = None
    failures: int = 0
    error: str | None = None
    created_at: datetime = Field(default_factory=now)
    updated_at: datetime = Field(default_factory=now)


class DeliveryProblem(Tenant, table=True):
    """A way by which messages of an agency don't arrive as they should, until they do. `to_do` says what mends it."""

    __tablename__ = "delivery_problem"
    __table_args__ = (
        Index("uq_delivery_problem_open", "agency_id", "key", unique=True, postgresql_where=text("settled_at is null")),
    )

    key: str
    summary: str
    to_do: str
    found_at: datetime = Field(default_factory=now)
    settled_at: datetime | None = None

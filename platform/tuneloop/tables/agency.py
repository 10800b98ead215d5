"""The tenant, its clients and the people who work for it."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from tuneloop.kit.clock import now
from tuneloop.kit.columns import text_enum
from tuneloop.kit.principal import Role
from tuneloop.kit.tenancy import Row, Tenant


class Domain(StrEnum):
    """The client's field; it sets the default cadence of maintenance."""

    CUSTOMER_SUPPORT = "customer_support"
    LEGAL = "legal"
    ECOMMERCE = "ecommerce"
    HEALTHCARE = "healthcare"
    FINANCE = "finance"
    INTERNAL_KNOWLEDGE = "internal_knowledge"


class Plan(StrEnum):
    BASIC = "basic"
    STANDARD = "standard"
    PREMIUM = "premium"


class Agency(Row, table=True):
    tenant_key: ClassVar[str | None] = "id"

    slug: str = Field(unique=True)
    name: str
    created_at: datetime = Field(default_factory=now)
    second_factor_required: bool = False


class User(Row, table=True):
    """A person; may be a member of several agencies, so the row belongs to no tenant."""

    __tablename__ = "person"

    email: str = Field(unique=True)
    name: str
    created_at: datetime = Field(default_factory=now)
    disabled_at: datetime | None = None


class Client(Tenant, table=True):
    __table_args__ = (UniqueConstraint("agency_id", "slug"),)
    client_key: ClassVar[str | None] = "id"

    slug: str
    name: str
    domain: Domain = Field(default=Domain.CUSTOMER_SUPPORT, sa_type=text_enum(Domain))
    plan: Plan = Field(default=Plan.STANDARD, sa_type=text_enum(Plan))
    contacts: list[dict[str, str]] = Field(default_factory=list, sa_type=JSONB)
    created_at: datetime = Field(default_factory=now)
    erased_at: datetime | None = Field(default=None, description="what is left names invoices and usage")


class AlertMail(StrEnum):
    """When alerts come by mail; `WITHOUT_SLACK` while the agency is connected to no workspace."""

    NEVER = "never"
    WITHOUT_SLACK = "without_slack"
    ALWAYS = "always"


class Membership(Tenant, table=True):
    """A person's role in an agency; a client viewer is bound to one client."""

    __table_args__ = (UniqueConstraint("agency_id", "user_id"),)

    user_id: UUID = Field(foreign_key="person.id", index=True)
    role: Role = Field(sa_type=text_enum(Role))
    member_client_id: UUID | None = Field(default=None, foreign_key="client.id")
    created_at: datetime = Field(default_factory=now)
    last_sign_in_at: datetime | None = None
    alert_mail: AlertMail = Field(default=AlertMail.WITHOUT_SLACK, sa_type=text_enum(AlertMail))
    password_after: datetime | None = None
    """An older password of the person does not open this agency: an admin wants it chosen anew."""

    second_factor_reset_at: datetime | None = None
    """An admin has said that an older second factor of the person is lost."""

    oidc_subject: str | None = None
    """What the agency's identity provider calls them, once it has signed them in."""


class InactiveMember(Tenant, table=True):
    """A membership that was taken out, to be put back: whoever has no membership gets in nowhere."""

    __tablename__ = "inactive_member"
    __table_args__ = (UniqueConstraint("agency_id", "user_id"),)

    user_id: UUID = Field(foreign_key="person.id", index=True)
    role: Role = Field(sa_type=text_enum(Role))
    member_client_id: UUID | None = Field(default=None, foreign_key="client.id")
    member_since: datetime
    deactivated_by: str
    deactivated_at: datetime = Field(default_factory=now)

"""An agency's own identity provider."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from tuneloop.kit.clock import now
from tuneloop.kit.tenancy import Tenant


class OidcProvider(Tenant, table=True):
    """Signs people in to this agency and to no other (OpenID Connect).

    `roles` gives the role of each group; empty, the provider says nothing about roles. With `only`, passwords open the
    agency for nobody but `emergency_id`, an owner.
    """

    __tablename__ = "oidc_provider"
    __table_args__ = (UniqueConstraint("agency_id"),)

    issuer: str
    audience: str = Field(description="what the provider calls us: the client id")
    sealed_secret: str
    groups_claim: str = "groups"
    roles: dict[str, str] = Field(default_factory=dict, sa_type=JSONB)
    only: bool = False
    emergency_id: UUID | None = Field(default=None, foreign_key="person.id")
    created_at: datetime = Field(default_factory=now)
    updated_at: datetime = Field(default_factory=now)

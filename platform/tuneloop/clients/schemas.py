"""What the client endpoints read and write."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, EmailStr, Field, StringConstraints

from tuneloop.kit.clean_text import CleanName
from tuneloop.tables import Domain, Plan

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class Contact(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: CleanName = Field(min_length=1, max_length=120)
    email: EmailStr


class ClientCreate(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"slug": "acme", "name": "Acme Outfitters", "domain": "ecommerce"}]},
    )

    slug: Slug
    name: CleanName = Field(min_length=1, max_length=120)
    domain: Domain = Domain.CUSTOMER_SUPPORT
    plan: Plan = Plan.STANDARD
    contacts: list[Contact] = Field(default_factory=list, max_length=50)


class ClientPatch(BaseModel):
    """What is left out stays. The first of the contacts always gets the reports."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"contacts": [{"name": "Ann", "email": "ann@acme.example"}]}]},
    )

    name: CleanName | None = Field(default=None, min_length=1, max_length=120)
    contacts: list[Contact] | None = Field(default=None, max_length=50)


class ClientRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    slug: str
    name: str
    domain: Domain
    plan: Plan
    contacts: list[Contact]
    created_at: datetime

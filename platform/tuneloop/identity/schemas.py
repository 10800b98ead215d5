"""What the identity endpoints read and write."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, EmailStr, Field

from tuneloop.tables import Role


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SignIn(Strict):
    email: EmailStr
    password: str = Field(min_length=1, max_length=200)
    agency: str | None = Field(default=None, description="slug of the agency, for members of several")


class SignedIn(BaseModel):
    csrf_token: str = Field(description="send it as X-CSRF-Token with every change")
    expires_at: datetime


class Me(BaseModel):
    name: str
    role: Role
    agency: str
    client: str | None


class MemberRead(BaseModel):
    user_id: UUID
    email: str
    name: str
    role: Role
    client: str | None


class RoleChange(Strict):
    role: Role


class ApiKeyCreate(Strict):
    name: str = Field(min_length=1, max_length=120)
    role: Role = Role.OPERATOR
    client: str | None = Field(default=None, description="slug of the client that the key is confined to")


class ApiKeyRead(BaseModel):
    id: UUID
    name: str
    prefix: str
    role: Role
    client: str | None
    created_at: datetime
    revoked_at: datetime | None


class ApiKeyCreated(ApiKeyRead):
    key: str = Field(description="shown once; store it now")

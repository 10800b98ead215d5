"""What the identity endpoints read and write."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, EmailStr, Field, model_validator

from tuneloop.kit.clean_text import CleanName
from tuneloop.tables import Role


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SignIn(Strict):
    email: EmailStr
    password: str = Field(min_length=1, max_length=200)
    agency: str | None = Field(default=None, description="slug of the agency, for members of several")
    code: str | None = Field(
        default=None, max_length=40, description="of the second factor: of the app, or a recovery code"
    )


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
    active: bool
    second_factor: bool = Field(default=False, description="they have set one up")
    last_sign_in_at: datetime | None = None
    sessions: int = Field(default=0, description="browsers that are signed in")
    seen_at: datetime | None = Field(default=None, description="when one of them asked for something last")
    keys: int = Field(default=0, description="API keys that they made; those of a deactivated member do nothing")
    key_used_at: datetime | None = None


class OwnSessionRead(BaseModel):
    id: UUID
    agency: str
    device: str = Field(description="what the browser says that it is")
    address: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


class OwnKeyRead(BaseModel):
    id: UUID
    name: str
    prefix: str
    role: Role
    created_at: datetime
    last_used_at: datetime | None


class AccountRead(BaseModel):
    name: str
    email: str
    second_factor: bool
    recovery_codes: int = Field(description="those that are left")
    sessions: list[OwnSessionRead]
    keys: list[OwnKeyRead]


class RoleChange(Strict):
    role: Role


class ApiKeyCreate(Strict):
    name: CleanName = Field(min_length=1, max_length=120)
    role: Role = Role.VIEWER
    client: str | None = Field(default=None, description="slug of the client that the key is confined to")
    all_clients: bool = Field(default=False, description="say so for a key that is not confined to a client")
    inference_only: bool = Field(default=False, description="it only asks the client's models, at /v1")
    upload_only: bool = Field(default=False, description="it only imports data of the client")
    days: int | None = Field(default=None, ge=1, le=3650, description="how long it works; for good if left out")

    @model_validator(mode="after")
    def _says_how_far_it_reaches(self) -> Self:
        if self.all_clients == (self.client is not None):
            raise ValueError("name the client that the key is confined to, or say all_clients")
        return self


class ApiKeyRead(BaseModel):
    id: UUID
    name: str
    prefix: str
    role: Role
    client: str | None
    owner: str | None = Field(description="None: it is nobody's, or its owner is not a member any more")
    inference_only: bool
    upload_only: bool
    previous_until: datetime | None = Field(description="until when the secret before this one works, too")
    created_at: datetime
    revoked_at: datetime | None
    expires_at: datetime | None
    last_used_at: datetime | None
    last_used_from: str | None


class KeyRotation(Strict):
    grace_hours: int = Field(
        default=24, ge=0, le=24 * 30, description="how long the old secret works beside the new one"
    )


class ApiKeyCreated(ApiKeyRead):
    key: str = Field(description="shown once; store it now")

"""The second factor of people: a secret of their authenticator app, and codes for when the app is lost."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field

from tuneloop.kit.clock import now
from tuneloop.kit.tenancy import Row


class SecondFactor(Row, table=True):
    """Asked for once it is confirmed. `last_step` is the newest time step whose code was used: none works twice."""

    __tablename__ = "second_factor"

    user_id: UUID = Field(foreign_key="person.id", unique=True)
    sealed_secret: str
    created_at: datetime = Field(default_factory=now)
    confirmed_at: datetime | None = None
    last_step: int = 0


class RecoveryCode(Row, table=True):
    """Takes the place of one code of the app, once."""

    __tablename__ = "recovery_code"

    user_id: UUID = Field(foreign_key="person.id", index=True)
    code_hash: str = Field(unique=True)
    used_at: datetime | None = None

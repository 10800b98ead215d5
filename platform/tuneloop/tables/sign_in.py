"""Failed sign-ins, and the places from which people have signed in."""

from datetime import datetime

from sqlmodel import Field

from tuneloop.kit.clock import now
from tuneloop.kit.tenancy import Row


class SignInTrace(Row, table=True):
    """`subject` is a digest of an account, an address or both; `failures` is 0 where somebody got in."""

    __tablename__ = "sign_in_trace"

    subject: str = Field(unique=True)
    failures: int
    last_at: datetime = Field(default_factory=now, index=True)

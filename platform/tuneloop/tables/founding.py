"""Codes with which somebody sets up an agency on the first page."""

from datetime import datetime

from sqlmodel import Field

from tuneloop.kit.clock import now
from tuneloop.kit.tenancy import Row


class SetupCode(Row, table=True):
    """Works once; the row goes with its use. Only the hash is stored."""

    __tablename__ = "setup_code"

    code_hash: str = Field(unique=True)
    made_at: datetime = Field(default_factory=now)
    expires_at: datetime

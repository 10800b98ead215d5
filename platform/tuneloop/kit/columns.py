"""Column types that SQLModel does not infer."""

from enum import StrEnum
from typing import Any

from sqlalchemy import Enum


def text_enum(cls: type[StrEnum]) -> Any:
    """Text column for an enum: stored as its value, read back as its member, no database type to migrate."""
    return Enum(cls, native_enum=False, length=40, values_callable=lambda members: [str(m) for m in members])

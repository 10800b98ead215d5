"""The one source of the current time: aware, UTC."""

from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)

"""One answer of a log, and the times that logs write."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from tuneloop.registry.templates import Message

_NUMBER: Final = re.compile(r"\d{9,19}(\.\d+)?")
_UNITS: Final = (1, 1e3, 1e6, 1e9)
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC).timestamp()


class LogSource(StrEnum):
    OPENAI = "openai"
    LANGFUSE = "langfuse"
    LITELLM = "litellm"
    OTLP = "otlp"
    TABLE = "table"


@dataclass(frozen=True)
class LoggedAnswer:
    """What is None was not measured. `key` is the answer's id there, by which it is taken once."""

    line: int
    source: LogSource
    key: str | None
    at: datetime
    messages: tuple[Message, ...]
    answer: str
    confidence: float | None = None
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    latency_ms: float = 0.0
    end_user: str | None = None


class NoAnswer(Exception):
    """The row is something else than an answer, such as a failed request or the step of a chain."""


class Unreadable(Exception):
    """The row should be an answer, and something of it is missing; says what."""


def time_of(value: Any) -> datetime | None:
    """ISO 8601, or seconds, milliseconds, microseconds or nanoseconds since 1970; without a zone it is UTC."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return next((datetime.fromtimestamp(value / unit, UTC) for unit in _UNITS if 0 < value / unit < _LATEST), None)
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value.strip().removesuffix(" UTC"))
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)

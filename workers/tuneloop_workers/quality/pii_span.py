"""Where personal data stands in a text."""

from typing import NamedTuple


class PiiSpan(NamedTuple):
    entity: str
    start: int
    end: int
    score: float

"""What one can decide about several findings at once."""

from enum import StrEnum

MOST = 200


class Settlement(StrEnum):
    """What becomes of each example."""

    KEEP = "keep"
    SUGGESTED = "suggested"
    PLACEHOLDERS = "placeholders"
    DELETE = "delete"

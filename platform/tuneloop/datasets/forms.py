"""The forms of rows that files for fine-tuning commonly have."""

from enum import StrEnum


class Form(StrEnum):
    CHAT = "chat"
    SHAREGPT = "sharegpt"
    ALPACA = "alpaca"
    PROMPT_COMPLETION = "prompt_completion"
    COLUMNS = "columns"

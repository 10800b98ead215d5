"""One labelled conversation of a file, what can be wrong with one, and the limits of a file."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from tuneloop.registry.templates import Message

LISTED_PROBLEMS = 20


class ImportFormat(StrEnum):
    """JSONL lines may be chat, prompt/completion or text/label; each line says by its keys which it is."""

    JSONL = "jsonl"
    CSV = "csv"


class ExportFormat(StrEnum):
    CHAT = "chat"
    PROMPT_COMPLETION = "prompt_completion"
    TEXT_LABEL = "text_label"
    CSV = "csv"


@dataclass(frozen=True)
class Limits:
    line_bytes: int = 1 << 20
    file_bytes: int = 200 << 20
    rows: int = 200_000
    columns: int = 50


class ParsedRow(NamedTuple):
    """`messages` ends before the answer, which is `expected`; `line` is where the row starts in the file, from 1."""

    line: int
    messages: tuple[Message, ...]
    expected: str
    category: str | None = None


class ProblemKind(StrEnum):
    FORMAT = "format"
    UNKNOWN_LABEL = "unknown_label"
    CONFLICTING_ANSWER = "conflicting_answer"
    LEAKAGE = "leakage"
    TOO_LONG = "too_long"


class RowProblem(NamedTuple):
    """Why a row is not imported, and what to do about it."""

    line: int
    kind: ProblemKind
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"

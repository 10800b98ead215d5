"""One labelled conversation of a file, what can be wrong with one, and the limits of a file."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from tuneloop.registry.templates import Message

LISTED_PROBLEMS = 20


class ImportFormat(StrEnum):
    """What holds the rows. A row of JSON says by its keys which form it has."""

    JSONL = "jsonl"
    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"


class Encoding(StrEnum):
    """What a file of text may be written in; those after UTF-16 must be named, except Western European."""

    UTF_8 = "utf-8"
    UTF_16 = "utf-16"
    WESTERN = "cp1252"
    CENTRAL = "cp1250"
    CYRILLIC = "cp1251"
    TURKISH = "cp1254"
    MAC = "mac_roman"
    JAPANESE = "cp932"
    KOREAN = "cp949"
    SIMPLIFIED_CHINESE = "gb18030"
    TRADITIONAL_CHINESE = "big5"


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


@dataclass(frozen=True)
class Choice:
    """How somebody wants a file to be read; what is None is recognised.

    `labels` says, for an answer as the file has it, which label it is; with `closest` an unknown one is the label that
    is written most like it.
    """

    file_format: ImportFormat | None = None
    encoding: Encoding | None = None
    text: str | None = None
    answer: str | None = None
    category: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    closest: bool = False


class Record(NamedTuple):
    """A row as the file has it: cells by the names of their columns, or the object of a line of JSON."""

    line: int
    values: dict[str, Any]


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


def problem(line: int, message: str) -> RowProblem:
    return RowProblem(line, ProblemKind.FORMAT, message)

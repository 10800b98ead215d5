"""Files of examples, written as a stream in the formats that `read_rows` reads."""

import csv
import io
from collections.abc import Iterable, Iterator

import orjson

from tuneloop.datasets.csv_cells import escape
from tuneloop.datasets.row import ExportFormat, ParsedRow
from tuneloop.kit.errors import InvalidInput
from tuneloop.registry.templates import Message

_KEYS = {
    ExportFormat.PROMPT_COMPLETION: ("prompt", "completion"),
    ExportFormat.TEXT_LABEL: ("text", "label"),
    ExportFormat.CSV: ("text", "label"),
}


def write_rows(rows: Iterable[ParsedRow], file_format: ExportFormat) -> Iterator[bytes]:
    """One chunk per row, and first the header of a CSV file.

    Raises:
        InvalidInput: a conversation of several messages is to be written in a format that holds one.
    """
    if file_format is ExportFormat.CSV:
        yield _csv_record([*_KEYS[file_format], "category"])
    for row in rows:
        if file_format is ExportFormat.CSV:
            yield _csv_record(
                [escape(cell) for cell in (_only_text(row, file_format), row.expected, row.category or "")]
            )
        else:
            yield orjson.dumps(_record(row, file_format), option=orjson.OPT_APPEND_NEWLINE)


def _record(row: ParsedRow, file_format: ExportFormat) -> dict[str, object]:
    record: dict[str, object]
    if file_format is ExportFormat.CHAT:
        answer = Message(role="assistant", content=row.expected)
        record = {"messages": [message.model_dump() for message in (*row.messages, answer)]}
    else:
        text_key, answer_key = _KEYS[file_format]
        record = {text_key: _only_text(row, file_format), answer_key: row.expected}
    if row.category:
        record["category"] = row.category
    return record


def _only_text(row: ParsedRow, file_format: ExportFormat) -> str:
    if len(row.messages) != 1 or row.messages[0].role != "user":
        raise InvalidInput(f"row {row.line} has several messages, which {file_format} cannot hold; export as chat")
    return row.messages[0].content


def _csv_record(cells: list[str]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue().encode()

"""Files of examples, read as a stream: bad input costs one line of memory and ends in a numbered problem."""

import csv
from collections.abc import Iterator
from typing import IO, NamedTuple, Self

from tuneloop.datasets.csv_cells import unescape
from tuneloop.datasets.parse_rows import parse_json, parse_record, problem
from tuneloop.datasets.row import ImportFormat, Limits, ParsedRow, RowProblem
from tuneloop.kit.errors import InvalidInput, TooLarge

LIMITS = Limits()
CSV_HEADERS = ("text,label", "text,label,category", "prompt,completion", "prompt,completion,category")

_UNREADABLE = {
    b"\x1f\x8b": "the file is compressed with gzip; send it uncompressed",
    b"PK\x03\x04": "the file is a ZIP archive or a spreadsheet; save it as CSV (UTF-8) or JSONL",
    b"\xff\xfe": "the file is UTF-16; save it as UTF-8",
    b"\xfe\xff": "the file is UTF-16; save it as UTF-8",
}
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class _Line(NamedTuple):
    """`raw` is None for a line over the limit, whose bytes were skipped."""

    number: int
    raw: bytes | None


def read_rows(file: IO[bytes], file_format: ImportFormat, limits: Limits = LIMITS) -> Iterator[ParsedRow | RowProblem]:
    """Rows and problems in the order of the file.

    Raises:
        TooLarge: the file has more bytes or rows than the limits allow.
        InvalidInput: the file as a whole is not of this format.
    """
    lines = _lines(file, limits)
    rows = _csv_rows(lines, limits) if file_format is ImportFormat.CSV else _json_rows(lines, limits)
    for count, row in enumerate(rows, start=1):
        if count > limits.rows:
            raise TooLarge(
                f"line {row.line}: the file has more than {limits.rows:,} rows; split it",
                line=row.line,
                limit=limits.rows,
            )
        yield row


def _lines(file: IO[bytes], limits: Limits) -> Iterator[_Line]:
    number = total = 0
    while chunk := file.readline(limits.line_bytes + 1):
        number += 1
        if number == 1:
            chunk = _first(chunk)
        total = _counted(total, chunk, number, limits)
        complete = len(chunk) <= limits.line_bytes
        rest = chunk
        while not complete and rest and not rest.endswith(b"\n"):
            rest = file.readline(limits.line_bytes)
            total = _counted(total, rest, number, limits)
        yield _Line(number, chunk if complete else None)


def _first(chunk: bytes) -> bytes:
    for magic, advice in _UNREADABLE.items():
        if chunk.startswith(magic):
            raise InvalidInput(f"line 1: {advice}", line=1)
    return chunk.removeprefix(_BYTE_ORDER_MARK)


def _counted(total: int, chunk: bytes, number: int, limits: Limits) -> int:
    if total + len(chunk) > limits.file_bytes:
        raise TooLarge(
            f"line {number}: the file is larger than {_size(limits.file_bytes)}; split it",
            line=number,
            limit=limits.file_bytes,
        )
    return total + len(chunk)


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count:,} bytes"


def _json_rows(lines: Iterator[_Line], limits: Limits) -> Iterator[ParsedRow | RowProblem]:
    for number, raw in lines:
        if raw is None:
            yield problem(number, _too_long(limits))
        elif defect := _defect(raw):
            yield problem(number, defect)
        elif stripped := raw.strip():
            yield parse_json(number, stripped)


def _csv_rows(lines: Iterator[_Line], limits: Limits) -> Iterator[ParsedRow | RowProblem]:
    """Stops at a broken record: behind it, nobody knows which quotation mark opens and which closes."""
    source = _CsvLines(lines, limits)
    reader = csv.reader(source, strict=True)
    header: list[str] | None = None
    while True:
        source.begin_record()
        start = source.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield problem(start, f"{error}; correct it, the rest of the file was not read")
            return
        if header is None:
            header = _header(start, cells, source.defect, limits)
        elif source.defect is not None:
            yield source.defect
        elif len(cells) > limits.columns:
            yield problem(start, f"{len(cells):,} columns, at most {limits.columns} are read; remove some")
        elif cells and len(cells) != len(header):
            yield problem(start, f"{len(cells)} cells under {len(header)} headers; quote cells that contain commas")
        elif cells:
            named = dict(zip(header, map(unescape, cells), strict=True))
            yield parse_record(start, {name: cell for name, cell in named.items() if cell or name != "category"})


class _CsvLines:
    """Decoded lines for csv.reader, which joins several into a record when a quoted cell spans them."""

    def __init__(self, lines: Iterator[_Line], limits: Limits) -> None:
        self._lines = lines
        self._limits = limits
        self._record_bytes = 0
        self.number = 0
        self.defect: RowProblem | None = None

    def begin_record(self) -> None:
        self._record_bytes = 0
        self.defect = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        self.number, raw = next(self._lines)
        self._record_bytes += len(raw or b"")
        if raw is None or self._record_bytes > self._limits.line_bytes:
            raise csv.Error(_too_long(self._limits))
        if defect := _defect(raw):
            self.defect = problem(self.number, defect)
        return raw.decode(errors="replace")


def _header(line: int, cells: list[str], defect: RowProblem | None, limits: Limits) -> list[str]:
    if defect is not None:
        raise InvalidInput(str(defect), line=defect.line)
    if len(cells) > limits.columns:
        raise InvalidInput(f"line {line}: {len(cells):,} columns, at most {limits.columns} are read", line=line)
    header = [cell.strip().casefold() for cell in cells]
    if sorted(header) not in [sorted(accepted.split(",")) for accepted in CSV_HEADERS]:
        shown = ",".join(header)[:80]
        raise InvalidInput(
            f"line {line}: the header {shown!r} is none of {'; '.join(CSV_HEADERS)}; rename or remove columns",
            line=line,
        )
    return header


def _too_long(limits: Limits) -> str:
    return f"longer than {_size(limits.line_bytes)}; shorten or remove it"


def _defect(raw: bytes) -> str | None:
    if b"\0" in raw:
        return "contains a NUL byte; remove it"
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return f"not valid UTF-8 at byte {error.start + 1}; save the file as UTF-8"
    return None

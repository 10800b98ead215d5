"""Records of a CSV file as spreadsheets write it: by commas, semicolons or tabs, after a line `sep=` or without."""

import csv
from collections.abc import Iterator
from itertools import islice
from typing import IO, Final, NamedTuple, Self

from tuneloop.datasets.csv_cells import unescape
from tuneloop.datasets.header import header_of
from tuneloop.datasets.lines import Line, defect, lines, too_long
from tuneloop.datasets.row import Limits, Record, RowProblem, problem
from tuneloop.kit.errors import InvalidInput

DELIMITERS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_SAMPLE_LINES: Final = 20
_SAMPLE_BYTES: Final = 1 << 16


class Dialect(NamedTuple):
    """`skipped` are lines before the header."""

    delimiter: str
    skipped: int = 0


def dialect_of(file: IO[bytes]) -> Dialect:
    """By the line `sep=`, or else the delimiter that divides the header and the first lines most evenly."""
    start = file.tell()
    head = file.read(_SAMPLE_BYTES)
    file.seek(start)
    first, _, rest = head.decode(errors="replace").partition("\n")
    named = first.strip().strip('"')
    if named.lower().startswith("sep=") and len(named) <= 5:
        delimiter = first.strip("\r\n").strip('"')[4:5] or "\t"
        return Dialect(delimiter, skipped=1)
    sample = [first, *islice(rest.splitlines(keepends=True), _SAMPLE_LINES)]
    return Dialect(max(DELIMITERS, key=lambda each: _evenness(sample, each)))


def read_csv(file: IO[bytes], dialect: Dialect, limits: Limits) -> Iterator[Record | RowProblem]:
    """Stops at a broken record: behind it, nobody knows which quotation mark opens and which closes.

    Raises:
        InvalidInput: the header cannot be read.
    """
    source = _Lines(lines(file, limits), limits)
    for _ in islice(source, dialect.skipped):
        pass
    reader = csv.reader(source, delimiter=dialect.delimiter, strict=True)
    header: list[str] | None = None
    while True:
        source.begin_record()
        start = source.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield problem(start, _broken(error))
            return
        if header is None:
            if source.defect is not None:
                raise InvalidInput(str(source.defect), line=source.defect.line)
            header = header_of(start, cells, limits) if cells else None
        elif source.defect is not None:
            yield source.defect
        elif any(cells):
            yield _record(start, header, cells, dialect, limits)


def _record(line: int, header: list[str], cells: list[str], dialect: Dialect, limits: Limits) -> Record | RowProblem:
    if len(cells) > limits.columns:
        return problem(line, f"{len(cells):,} columns, at most {limits.columns} are read; remove some")
    if len(cells) != len(header):
        told = f"{len(cells)} cells under {len(header)} headers"
        return problem(line, f"{told}; quote cells that contain {DELIMITERS.get(dialect.delimiter, 'commas')}")
    return Record(line, dict(zip(header, map(unescape, cells), strict=True)))


class _Lines:
    """Decoded lines for csv.reader, which joins several into a record when a quoted cell spans them."""

    def __init__(self, source: Iterator[Line], limits: Limits) -> None:
        self._lines = source
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
            raise csv.Error(too_long(self._limits))
        if fault := defect(raw):
            self.defect = problem(self.number, fault)
        return raw.decode(errors="replace")


def _evenness(sample: list[str], delimiter: str) -> tuple[int, int]:
    """Records as wide as the header, and its width."""
    try:
        widths = [len(cells) for cells in csv.reader(sample, delimiter=delimiter) if cells]
    except csv.Error:
        return 0, 0
    if not widths or widths[0] < 2:
        return 0, 0
    return sum(width == widths[0] for width in widths), widths[0]


def _broken(error: csv.Error) -> str:
    advice = "; write quotation marks inside a quoted cell twice" if "expected after" in str(error) else ""
    return f"{error}{advice}; correct it, the rest of the file was not read"

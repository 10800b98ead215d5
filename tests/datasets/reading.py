"""Files as a test writes them."""

import io

from tuneloop.datasets.formats import LIMITS, read_rows
from tuneloop.datasets.row import ImportFormat, Limits, ParsedRow, RowProblem

JSONL = ImportFormat.JSONL


def opened(content: bytes) -> io.BytesIO:
    return io.BytesIO(content)


def read(content: bytes, file_format: ImportFormat | None = JSONL, limits: Limits = LIMITS) -> list[object]:
    return list(read_rows(opened(content), file_format, limits))


def rows(content: bytes, file_format: ImportFormat | None = JSONL) -> list[ParsedRow]:
    found = read(content, file_format)
    assert all(isinstance(row, ParsedRow) for row in found), found
    return [row for row in found if isinstance(row, ParsedRow)]


def problems(content: bytes, file_format: ImportFormat | None = JSONL, limits: Limits = LIMITS) -> list[str]:
    """Each as `line 3: what is wrong`."""
    return [str(row) for row in read(content, file_format, limits) if isinstance(row, RowProblem)]

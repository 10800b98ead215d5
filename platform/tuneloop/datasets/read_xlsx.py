"""Rows of an Excel workbook, with bounds on what it may unpack to: https://docs.python.org/3/library/zipfile.html."""

import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from itertools import chain
from typing import IO, Any, Final
from xml.etree.ElementTree import ParseError

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from tuneloop.datasets.csv_cells import unescape
from tuneloop.datasets.header import header_of
from tuneloop.datasets.lines import size, too_large
from tuneloop.datasets.row import Limits, Record, RowProblem, problem
from tuneloop.kit.errors import InvalidInput, TooLarge

_TEXT_BYTES: Final = 64 << 20
_OTHER_BYTES: Final = 8 << 20
_MOST_PARTS: Final = 1_000
_BROKEN: Final = (zipfile.BadZipFile, InvalidFileException, ParseError, KeyError, ValueError, OSError, EOFError)


class Sheet:
    """The first sheet that has rows. Its rows are numbered as Excel numbers them."""

    def __init__(self, file: IO[bytes], limits: Limits) -> None:
        """Raises InvalidInput or TooLarge: it is no workbook that is read here."""
        self._limits = limits
        _check_parts(file, limits)
        try:
            book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        except _BROKEN as error:
            raise _unreadable(error) from error
        self.name = ""
        self._rows: Iterator[tuple[int, list[str]]] = iter(())
        for sheet in book.worksheets:
            sheet.reset_dimensions()
            rows = self._cells(sheet)
            first = next(rows, None)
            if first is not None:
                self.name, self._rows = sheet.title, chain([first], rows)
                return

    def read(self) -> Iterator[Record | RowProblem]:
        """Records under the first row, which names the columns."""
        header: list[str] | None = None
        text_bytes = 0
        for number, cells in self._rows:
            text_bytes += sum(map(len, cells))
            if text_bytes > self._limits.file_bytes:
                raise too_large(number, self._limits)
            if header is None:
                header = header_of(number, cells, self._limits)
            elif len(cells) > len(header):
                yield problem(number, f"{len(cells)} cells under {len(header)} headers; give every column a header")
            else:
                padded = [*cells, *[""] * (len(header) - len(cells))]
                yield Record(number, dict(zip(header, map(unescape, padded), strict=True)))

    def _cells(self, sheet: Any) -> Iterator[tuple[int, list[str]]]:
        """Numbers and cells of the rows that are not empty, without the empty cells at their ends."""
        try:
            for number, row in enumerate(sheet.iter_rows(values_only=True, max_col=self._limits.columns + 1), start=1):
                cells = [_text(value) for value in row]
                while cells and not cells[-1].strip():
                    cells.pop()
                if cells:
                    yield number, cells
        except _BROKEN as error:
            raise _unreadable(error) from error


def _check_parts(file: IO[bytes], limits: Limits) -> None:
    """A part is never unpacked beyond the size that the archive announces for it."""
    try:
        parts = zipfile.ZipFile(file).infolist()
    except _BROKEN as error:
        raise _unreadable(error) from error
    names = {part.filename for part in parts}
    if "xl/workbook.xml" not in names:
        raise InvalidInput("line 1: the file is a ZIP archive; unpack it, and send the file that is in it", line=1)
    if len(parts) > _MOST_PARTS:
        raise TooLarge(f"the workbook has more than {_MOST_PARTS:,} parts; save the sheet as CSV (UTF-8)")
    for part in parts:
        holds_text = part.filename.startswith(("xl/worksheets/", "xl/sharedStrings"))
        most = min(_TEXT_BYTES if holds_text else _OTHER_BYTES, limits.file_bytes)
        if part.filename.endswith((".xml", ".rels")) and part.file_size > most:
            raise TooLarge(
                f"{part.filename[:60]} in the workbook is larger than {size(most)}; save the sheet as CSV (UTF-8)",
                limit=most,
            )


def _unreadable(error: Exception) -> InvalidInput:
    return InvalidInput(f"the workbook cannot be read ({type(error).__name__}); save the sheet as CSV (UTF-8)")


def _text(value: object) -> str:
    """As the sheet shows it, near enough: 3.0 is 3, a date without a time is a date."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value)

"""Files of examples, read as a stream: bad input costs one line of memory and ends in a numbered problem."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Final, Self

from tuneloop.datasets.columns import Unclear
from tuneloop.datasets.encodings import in_utf8
from tuneloop.datasets.forms import Form
from tuneloop.datasets.kinds import is_workbook, kind_of_text
from tuneloop.datasets.parse_rows import parse
from tuneloop.datasets.read_csv import DELIMITERS, dialect_of, read_csv
from tuneloop.datasets.read_json import read_json_lines, read_json_list
from tuneloop.datasets.read_xlsx import Sheet
from tuneloop.datasets.row import Choice, Encoding, ImportFormat, Limits, ParsedRow, Record, RowProblem, problem
from tuneloop.kit.clean_text import look
from tuneloop.kit.errors import InvalidInput, TooLarge

LIMITS = Limits()
_TABLES: Final = frozenset({ImportFormat.CSV, ImportFormat.XLSX})
_KEPT_NAMES: Final = 200


class Reading:
    """Rows and problems in the order of the file, and while they come: what was recognised.

    `source` says what kind of file it is, `forms` how many rows had which form; `columns` are all that the file has, in
    its order, `not_read` those that are not understood.
    """

    def __init__(self, file: IO[bytes], choice: Choice | None = None, limits: Limits = LIMITS) -> None:
        """`choice.file_format` is a hint: what the file says of itself comes first.

        Raises:
            TooLarge: the file has more bytes than the limits allow.
            InvalidInput: it is of no kind that is read here.
        """
        self._choice = choice or Choice()
        self._limits = limits
        self._labels = {look(theirs): ours for theirs, ours in self._choice.labels.items()}
        self.forms: Counter[Form] = Counter()
        self.columns: dict[str, None] = {}
        self._read: set[str] = set()
        self._opened = ExitStack()
        self.format, self.source, self._records = self._open(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @property
    def not_read(self) -> list[str]:
        return [name for name in self.columns if name not in self._read]

    def __iter__(self) -> Iterator[ParsedRow | RowProblem]:
        """
        Raises:
            TooLarge: the file has more bytes or rows than the limits allow.
            InvalidInput: the file as a whole cannot be read, or its columns have to be chosen.
        """
        for record in self.records():
            yield record if isinstance(record, RowProblem) else self._row(record)

    def records(self) -> Iterator[Record | RowProblem]:
        """As the file has them."""
        for count, record in enumerate(self._records, start=1):
            if count > self._limits.rows:
                raise TooLarge(
                    f"line {record.line}: the file has more than {self._limits.rows:,} rows; split it",
                    line=record.line,
                    limit=self._limits.rows,
                )
            if isinstance(record, Record) and len(self.columns) < _KEPT_NAMES:
                self.columns.update(dict.fromkeys(record.values))
            yield record

    def _row(self, record: Record) -> ParsedRow | RowProblem:
        try:
            row, form, read = parse(record, self._choice)
        except Unclear as error:
            if self.format in _TABLES:
                raise InvalidInput(
                    f"line {record.line}: {error}", line=record.line, columns=list(self.columns)
                ) from error
            return problem(record.line, str(error))
        self.forms[form] += 1
        self._read |= read
        if isinstance(row, RowProblem):
            return row
        return row._replace(expected=self._labels.get(look(row.expected), row.expected)) if self._labels else row

    def _open(self, file: IO[bytes]) -> tuple[ImportFormat, str, Iterator[Record | RowProblem]]:
        if is_workbook(file):
            sheet = Sheet(file, self._limits)
            return ImportFormat.XLSX, f"Excel workbook, sheet {sheet.name!r}", sheet.read()
        text, encoding = in_utf8(file, self._choice.encoding, most=self._limits.file_bytes)
        if text is not file:
            self._opened.enter_context(text)
        found = kind_of_text(text, self._choice.file_format)
        written = "" if encoding is Encoding.UTF_8 else f", written in {encoding}"
        if found is ImportFormat.JSONL:
            return found, f"JSON lines{written}", read_json_lines(text, self._limits)
        if found is ImportFormat.JSON:
            return found, f"JSON list{written}", read_json_list(text, self._limits)
        dialect = dialect_of(text)
        divided = DELIMITERS.get(dialect.delimiter, repr(dialect.delimiter))
        return ImportFormat.CSV, f"CSV, divided by {divided}{written}", read_csv(text, dialect, self._limits)


def read_rows(
    file: IO[bytes], file_format: ImportFormat | None = None, limits: Limits = LIMITS
) -> Iterator[ParsedRow | RowProblem]:
    """Rows and problems in the order of the file, as `Reading` finds them."""
    with Reading(file, Choice(file_format=file_format), limits) as reading:
        yield from reading

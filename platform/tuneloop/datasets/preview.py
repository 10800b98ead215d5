"""A file before it is imported: what it was recognised as, its first rows, and the labels that are not known."""

from collections import Counter
from itertools import islice
from typing import IO, Any, NamedTuple

from tuneloop.datasets.columns import Columns, Unclear, columns_of, text_among
from tuneloop.datasets.formats import LIMITS, Reading
from tuneloop.datasets.forms import Form
from tuneloop.datasets.row import LISTED_PROBLEMS, Choice, ImportFormat, Limits, ParsedRow, Record, RowProblem
from tuneloop.kit.errors import InvalidInput
from tuneloop.registry.contract import Contract, Task
from tuneloop.registry.labels import ALIKE, index_of

SHOWN_ROWS = 8
SHOWN_CELL = 160
SHOWN_LABELS = 200


class LabelInFile(NamedTuple):
    """`known` is the model's label, found or chosen; `closest` the one to suggest where there is none."""

    label: str
    rows: int
    known: str | None
    closest: str | None


class Preview(NamedTuple):
    """`text`, `answer` and `category` are columns; they are None where rows are conversations or must be chosen.

    `unclear` says what has to be chosen before anything can be imported; then `text` and `answer` are suggestions.
    `good` counts rows that can be read and whose label is known; whether a text is there already is seen when it is
    imported.
    """

    format: ImportFormat
    source: str
    forms: dict[Form, int]
    columns: list[str]
    first: list[dict[str, str]]
    text: str | None
    answer: str | None
    category: str | None
    unclear: str | None
    rows: list[ParsedRow]
    good: int
    bad: int
    problems: list[RowProblem]
    labels: list[LabelInFile]
    not_read: list[str]


def preview(file: IO[bytes], *, contract: Contract, choice: Choice, limits: Limits = LIMITS) -> Preview:
    """Read a whole file without keeping anything of it.

    Raises:
        InvalidInput, TooLarge: it is no file that can be read, however its columns are chosen.
    """
    with Reading(file, choice, limits) as reading:
        first = [each for each in islice(reading.records(), SHOWN_ROWS) if isinstance(each, Record)]
    with Reading(file, choice, limits) as reading:
        return _preview(reading, first, contract, choice)


def _preview(reading: Reading, first: list[Record], contract: Contract, choice: Choice) -> Preview:
    columns, unclear = _columns(first, choice)
    rows: list[ParsedRow] = []
    problems: list[RowProblem] = []
    labels: Counter[str] = Counter()
    good = bad = 0
    try:
        for row in reading:
            if isinstance(row, RowProblem):
                bad += 1
                problems = problems if len(problems) == LISTED_PROBLEMS else [*problems, row]
                continue
            good += 1
            labels[row.expected[:SHOWN_CELL]] += contract.task is Task.CLASSIFY
            if len(rows) < SHOWN_ROWS:
                rows.append(row)
    except InvalidInput as error:
        if not first or "columns" not in error.details:
            raise
        unclear = unclear or error.message
    found = _labels(contract, choice, labels) if contract.task is Task.CLASSIFY else []
    unknown = sum(each.rows for each in found if each.known is None)
    return Preview(
        format=reading.format,
        source=reading.source,
        forms=dict(reading.forms),
        columns=list(reading.columns),
        first=[{name: _cell(value) for name, value in record.values.items()} for record in first],
        text=columns.text if columns else choice.text or text_among(reading.columns),
        answer=columns.answer if columns else choice.answer or _answers_among(first, contract),
        category=columns.category if columns else choice.category,
        unclear=unclear,
        rows=rows,
        good=good - unknown,
        bad=bad + unknown,
        problems=problems,
        labels=found[:SHOWN_LABELS],
        not_read=reading.not_read,
    )


def _columns(first: list[Record], choice: Choice) -> tuple[Columns | None, str | None]:
    """The columns of a table, and what is unclear about them."""
    if not first or any(isinstance(value, list | dict) for value in first[0].values.values()):
        return None, None
    try:
        return columns_of(first[0].values, choice), None
    except Unclear as error:
        return None, str(error)


def _answers_among(first: list[Record], contract: Contract) -> str | None:
    """The column in which the first rows have most labels of the model."""
    index = index_of(contract.labels)
    hits = Counter(
        name
        for record in first
        for name, value in record.values.items()
        if isinstance(value, str) and (index.find(value) or index.closest(value, alike=ALIKE))
    )
    return hits.most_common(1)[0][0] if hits else None


def _labels(contract: Contract, choice: Choice, counted: Counter[str]) -> list[LabelInFile]:
    """Unknown ones first, each with the closest label if one is written much like it; most frequent first."""
    index = index_of(contract.labels)
    found = [LabelInFile(label, n, index.find(label), None) for label, n in counted.most_common()]
    unknown = [each for each in found if each.known is None]
    suggested = []
    for each in unknown[:SHOWN_LABELS]:
        closest = index.closest(each.label, alike=ALIKE)
        suggested.append(each._replace(closest=closest, known=closest if choice.closest else None))
    return [*suggested, *unknown[SHOWN_LABELS:], *(each for each in found if each.known is not None)]


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else "" if value is None else str(value)
    return text if len(text) <= SHOWN_CELL else f"{text[: SHOWN_CELL - 1]}…"

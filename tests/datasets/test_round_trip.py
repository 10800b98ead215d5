"""What is exported is read back as it was."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.datasets.csv_cells import escape, unescape
from tuneloop.datasets.formats import read_rows
from tuneloop.datasets.row import ExportFormat, ImportFormat, ParsedRow
from tuneloop.datasets.writers import write_rows
from tuneloop.kit.clean_text import clean, clean_name
from tuneloop.kit.errors import InvalidInput
from tuneloop.registry.templates import Message

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60).map(clean).filter(str.strip)
ANSWER = TEXT.map(str.strip).filter(bool)
CATEGORY = st.none() | st.text("abc xyz", min_size=1, max_size=20).map(clean_name).filter(bool)


def reread(rows: list[ParsedRow], file_format: ExportFormat) -> list[object]:
    content = b"".join(write_rows(rows, file_format))
    read_as = ImportFormat.CSV if file_format is ExportFormat.CSV else ImportFormat.JSONL
    return [
        row._replace(line=0) if isinstance(row, ParsedRow) else row for row in read_rows(io.BytesIO(content), read_as)
    ]


def single(text: str, answer: str, category: str | None = None) -> ParsedRow:
    return ParsedRow(0, (Message(role="user", content=text),), answer, category)


@pytest.mark.parametrize("file_format", list(ExportFormat))
@given(st.lists(st.builds(single, TEXT, ANSWER, CATEGORY), max_size=4))
def test_single_messages_survive_every_format(file_format: ExportFormat, rows: list[ParsedRow]) -> None:
    assert reread(rows, file_format) == rows


@given(st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), TEXT), max_size=4), TEXT, ANSWER)
def test_conversations_survive_chat(turns: list[tuple[str, str]], question: str, answer: str) -> None:
    messages = [Message.model_validate({"role": role, "content": text}) for role, text in [*turns, ("user", question)]]
    row = ParsedRow(0, tuple(messages), answer)
    assert reread([row], ExportFormat.CHAT) == [row]


@pytest.mark.parametrize("file_format", [each for each in ExportFormat if each is not ExportFormat.CHAT])
def test_a_conversation_is_refused_where_it_does_not_fit(file_format: ExportFormat) -> None:
    messages = (Message(role="system", content="Be kind."), Message(role="user", content="Hi"))
    with pytest.raises(InvalidInput, match=r"row 7 has several messages, .* export as chat"):
        list(write_rows([ParsedRow(7, messages, "Hello")], file_format))


@pytest.mark.failure_case(21)
@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "'=", "''@", "\uff1d"])
def test_no_csv_cell_starts_a_formula(start: str) -> None:
    cell = f"{start}HYPERLINK(1)"
    content = b"".join(write_rows([single(cell, cell)], ExportFormat.CSV)).decode()
    record = content.split("\r\n", 1)[1].replace('"', "")
    assert re.match(r"'", record)
    assert escape(cell) == f"'{cell}"
    assert unescape(escape(cell)) == cell


@pytest.mark.parametrize("cell", ["order", "'tis", "5-3", "a@b.c", ""])
def test_other_cells_are_left_alone(cell: str) -> None:
    assert escape(cell) == unescape(cell) == cell

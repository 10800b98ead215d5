"""JSONL in: accepted shapes, and every refusal with its line and what to do."""

import orjson
import pytest

from tests.datasets.reading import problems, read, rows
from tuneloop.datasets.row import ImportFormat, Limits, ParsedRow
from tuneloop.kit.errors import InvalidInput, TooLarge
from tuneloop.registry.templates import Message

GOOD = b'{"text": "Where is it?", "label": "order"}\n'


def user(text: str) -> tuple[Message, ...]:
    return (Message(role="user", content=text),)


def test_text_and_label_are_read() -> None:
    assert rows(GOOD) == [ParsedRow(1, user("Where is it?"), "order")]


def test_prompt_and_completion_are_read_and_the_completion_is_trimmed() -> None:
    content = b'{"prompt": "Where is it?", "completion": " On its way. ", "category": "delivery"}'
    assert rows(content) == [ParsedRow(1, user("Where is it?"), "On its way.", "delivery")]


def test_chat_is_read_up_to_its_last_message_which_is_the_answer() -> None:
    turns = [("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Refund?"), ("assistant", "Yes")]
    content = orjson.dumps({"messages": [{"role": role, "content": text} for role, text in turns]})
    messages = tuple(Message.model_validate({"role": role, "content": text}) for role, text in turns[:-1])
    assert rows(content) == [ParsedRow(1, messages, "Yes")]


def test_shapes_may_be_mixed_and_blank_lines_keep_the_line_numbers() -> None:
    content = GOOD + b"\n  \r\n" + b'{"prompt": "a", "completion": "b"}\r\n'
    assert [row.line for row in rows(content)] == [1, 4]


def test_a_byte_order_mark_is_skipped() -> None:
    assert len(rows(b"\xef\xbb\xbf" + GOOD)) == 1


@pytest.mark.failure_case(21)
@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"{", "not valid JSON, "),
        (b"[1, 2]", "a row must be a JSON object, such as"),
        (
            b'{"question": "a"}',
            "no column is known to hold the answer; choose the columns of text and answer among 'question'",
        ),
        (b'{"text": "a", "labels": []}', "no column is known to hold the answer"),
        (b'{"text": 5, "label": "a"}', "text: must be text"),
        (b'{"text": "a", "label": ["b", "c"]}', "label: 2 labels for one text; a model here gives one answer"),
        (b'{"text": "a", "label": {"b": 1}}', "label: must be text"),
        (b'{"text": "a", "label": "b", "category": 7}', "category: must be text"),
        (b'{"text": "a", "label": " "}', "the answer is empty; write the label or text"),
        (b'{"text": " ", "label": "a"}', "the user's text is empty; write it or remove the row"),
        (b'{"messages": []}', "the last message must be the assistant's"),
        (b'{"messages": [{"role": "user", "content": "a"}]}', "the last message must be the assistant's"),
        (b'{"messages": [{"role": "assistant", "content": "a"}]}', "the user's text is empty"),
        (
            b'{"messages": [{"role": "critic", "content": "a"}]}',
            "messages.0.role: must be 'system', 'developer', 'user'",
        ),
        (b'{"messages": [{"role": "user", "content": null}]}', "messages.0.content: must be text; images"),
        (b'{"messages": "a"}', "messages: must be a list"),
        (b'{"text": "a\0", "label": "b"}', "contains a NUL byte; remove it"),
        (b'{"text": "\x81", "label": "b"}', "not valid UTF-8 at byte 11; save the file as UTF-8"),
        (b'{"text": "\\ud800", "label": "b"}', "not valid JSON, no low surrogate in string"),
        (b'{"text": NaN, "label": "b"}', "not valid JSON, unexpected character"),
        (b'{"text": 1e999, "label": "b"}', "not valid JSON, number is infinity when parsed as double"),
        (b'{"text": Infinity, "label": "b"}', "not valid JSON, unexpected character"),
        (b"[" * 1_000_000, "not valid JSON, depth limit exceeded"),
        (b'{"text": ' * 100_000, "not valid JSON, depth limit exceeded"),
        (b'{"text": ' + b'{"a":' * 500 + b"1" + b"}" * 501, "no column is known to hold the answer"),
    ],
)
def test_a_bad_line_is_named_and_the_next_is_read(line: bytes, told: str) -> None:
    found = read(GOOD + line + b"\n" + GOOD)
    assert [type(row).__name__ for row in found] == ["ParsedRow", "RowProblem", "ParsedRow"]
    assert str(found[1]).startswith(f"line 2: {told}")


def test_a_message_of_more_than_200_000_characters_is_refused() -> None:
    content = orjson.dumps({"text": "a" * 200_001, "label": "order"})
    assert problems(content) == ["line 1: text: at most 200000 characters are read; shorten it"]


def test_a_long_line_is_skipped_and_the_next_is_read() -> None:
    limits = Limits(line_bytes=len(GOOD))
    found = read(GOOD + b"x" * 500 + b"\n" + GOOD, limits=limits)
    assert str(found[1]) == f"line 2: longer than {len(GOOD)} bytes; shorten or remove it"
    assert isinstance(found[2], ParsedRow)
    assert found[2].line == 3


def test_a_long_last_line_without_newline_is_one_problem() -> None:
    assert problems(b"x" * 500, limits=Limits(line_bytes=64)) == ["line 1: longer than 64 bytes; shorten or remove it"]


def test_a_line_of_exactly_the_limit_is_read() -> None:
    assert len(read(GOOD + GOOD, limits=Limits(line_bytes=len(GOOD)))) == 2


def test_a_file_over_the_limit_is_refused_with_the_line() -> None:
    with pytest.raises(TooLarge, match=r"^line 3: the file is larger than 100 bytes; split it$"):
        read(GOOD * 5, limits=Limits(file_bytes=100))


def test_too_many_rows_are_refused_with_the_line() -> None:
    with pytest.raises(TooLarge, match=r"^line 4: the file has more than 3 rows; split it$"):
        read(GOOD * 5, limits=Limits(rows=3))


@pytest.mark.parametrize("file_format", list(ImportFormat))
@pytest.mark.parametrize(
    ("start", "told"),
    [
        (b"\x1f\x8b\x08\x00", "compressed with gzip; send it uncompressed"),
        (b"PK\x03\x04", "the workbook cannot be read"),
        (b"PAR1\x15\x04", "the file is Parquet; export it"),
        (b"<!DOCTYPE html><html>", "a web page or XML; export the data"),
    ],
)
def test_other_kinds_of_file_are_refused_by_their_first_bytes(
    file_format: ImportFormat, start: bytes, told: str
) -> None:
    with pytest.raises(InvalidInput, match=told):
        read(start, file_format)


def test_an_empty_file_has_no_rows() -> None:
    assert read(b"") == []

"""CSV in: accepted headers, and every refusal with its line and what to do."""

import re

import pytest

from tests.datasets.reading import problems, read
from tests.datasets.reading import rows as read_good
from tuneloop.datasets.row import ImportFormat, Limits, ParsedRow
from tuneloop.kit.errors import InvalidInput, TooLarge

CSV = ImportFormat.CSV


def texts(content: bytes) -> list[tuple[int, str, str, str | None]]:
    return [(row.line, row.messages[0].content, row.expected, row.category) for row in read_good(content, CSV)]


def test_text_and_label_are_read() -> None:
    assert texts(b"text,label\nWhere is it?,order\n") == [(2, "Where is it?", "order", None)]


def test_columns_may_come_in_any_order_and_case() -> None:
    content = b"Category, Completion ,PROMPT\r\ndelivery,On its way,Where?\r\n"
    assert texts(content) == [(2, "Where?", "On its way", "delivery")]


def test_an_empty_category_is_none() -> None:
    assert texts(b"text,label,category\nWhere?,order,\n") == [(2, "Where?", "order", None)]


def test_a_quoted_cell_spans_lines_and_the_row_is_named_by_its_first() -> None:
    content = b'text,label\n"Where,\nis it?",order\n\nNow,order\n'
    assert texts(content) == [(2, "Where,\nis it?", "order", None), (5, "Now", "order", None)]


def test_an_escaped_formula_is_read_as_it_was() -> None:
    assert texts(b"text,label\n'=1+1,order\n'tis late,order\n") == [
        (2, "=1+1", "order", None),
        (3, "'tis late", "order", None),
    ]


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (
            b"text,found",
            "no column is known to hold the answer; choose the columns of text and answer among 'text', 'fo",
        ),
        (b"flags,instruction,category,intent", "the answer may be in 'intent', 'category'; choose the columns"),
        (
            b"message,toxic,insult,threat",
            "'toxic', 'insult', 'threat' hold marks such as 0 and 1, so texts can have sev",
        ),
        (b'"text",""', "no column is known to hold the answer"),
    ],
)
def test_columns_that_are_not_known_are_asked_for(header: bytes, told: str) -> None:
    row = b"m" + b",0" * header.count(b",")
    with pytest.raises(InvalidInput, match=f"^line 2: {re.escape(told)}"):
        read(header + b"\n" + row + b"\n", CSV)


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^line 1: two columns are named 'text'; rename one of them$"):
        read(b"text,Text,label\na,b,c\n", CSV)


@pytest.mark.failure_case(21)
def test_a_header_of_100_000_columns_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^line 1: 100,001 columns, at most 50 are read$"):
        read(b"a" + b",a" * 100_000 + b"\n", CSV)


def test_a_header_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^line 1: not valid UTF-8 at byte 5"):
        read(b"text\x81,label\n", CSV)


@pytest.mark.failure_case(21)
@pytest.mark.parametrize(
    ("record", "told"),
    [
        (b"a", "1 cells under 2 headers; quote cells that contain commas"),
        (b"a,b,c", "3 cells under 2 headers"),
        (b"a" + b",a" * 100_000, "100,001 columns, at most 50 are read; remove some"),
        (b"\x81a,b", "not valid UTF-8 at byte 1; save the file as UTF-8"),
        (b"a\0,b", "contains a NUL byte; remove it"),
        (b",b", "the user's text is empty"),
        (b"a,", "the answer is empty"),
    ],
)
def test_a_bad_record_is_named_and_the_next_is_read(record: bytes, told: str) -> None:
    found = read(b"text,label\n" + record + b"\nWhere?,order\n", CSV)
    assert str(found[0]).startswith(f"line 2: {told}")
    assert isinstance(found[1], ParsedRow)


def test_a_fault_inside_a_quoted_cell_is_named_by_its_own_line() -> None:
    assert problems(b'text,label\n"a\n\x81",b\n', CSV) == ["line 3: not valid UTF-8 at byte 1; save the file as UTF-8"]


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (b'"a,b', "unexpected end of data"),
        (b'"a"b,c', "',' expected after '\"'"),
        (b"a\rb,c", "new-line character seen in unquoted field"),
        (b'"' + b"a" * 140_000 + b'",b', "field larger than field limit (131072)"),
    ],
)
def test_a_broken_record_ends_the_file(record: bytes, told: str) -> None:
    (only,) = read(b"text,label\n" + record + b"\n", CSV)
    assert str(only).startswith(f"line 2: {told}")
    assert str(only).endswith("correct it, the rest of the file was not read")


@pytest.mark.failure_case(21)
@pytest.mark.parametrize("record", [b"a" * 300 + b",b\n", b'a,"' + b'\n","' * 100])
def test_a_record_over_the_line_limit_ends_the_file(record: bytes) -> None:
    limits = Limits(line_bytes=200)
    (only,) = read(b"text,label\n" + record + b"\nc,d\n", CSV, limits)
    assert str(only).startswith("line 2: longer than 200 bytes; shorten or remove it; correct it")


def test_too_many_rows_are_refused_with_the_line() -> None:
    with pytest.raises(TooLarge, match=r"^line 4: the file has more than 2 rows"):
        read(b"text,label\n" + b"a,b\n" * 5, CSV, Limits(rows=2))

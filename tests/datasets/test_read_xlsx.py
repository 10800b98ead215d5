"""Workbooks in: the first sheet with rows, and bounds on what an archive may unpack to."""

import io
import zipfile
from datetime import date

import pytest
from openpyxl import Workbook

from tests.datasets.reading import problems, rows
from tuneloop.datasets.row import ImportFormat
from tuneloop.kit.errors import InvalidInput, TooLarge


def workbook(*cells: list[object]) -> bytes:
    book = Workbook()
    book.active.title = "Cover"
    sheet = book.create_sheet("Tickets")
    for row in cells:
        sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def test_a_sheet_is_read_with_excel_s_row_numbers() -> None:
    content = workbook(["id", "text", "label"], [7, "Rückgabe?\nBitte", "refund"], [], [8.0, 2026, "order", None])
    found = rows(content, None)
    assert [(row.line, row.messages[0].content, row.expected) for row in found] == [
        (2, "Rückgabe?\nBitte", "refund"),
        (4, "2026", "order"),
    ]


def test_dates_are_read_as_they_are_shown() -> None:
    (row,) = rows(workbook(["text", "label"], [date(2026, 10, 1), "order"]), None)
    assert row.messages[0].content == "2026-10-01"


def test_a_row_wider_than_the_header_is_named() -> None:
    assert problems(workbook(["text", "label"], ["a", "b", "c"]), None) == [
        "line 2: 3 cells under 2 headers; give every column a header"
    ]


def test_another_archive_is_named() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("train.jsonl", "{}")
    with pytest.raises(InvalidInput, match="is a ZIP archive; unpack it, and send the file that is in it"):
        rows(content.getvalue(), None)


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/styles.xml"])
def test_a_bomb_is_refused_before_it_unpacks(part: str) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        with archive.open(part, "w") as bomb:
            for _ in range(70):
                bomb.write(bytes(1 << 20))
    assert len(content.getvalue()) < 1 << 20
    with pytest.raises(TooLarge, match=r"in the workbook is larger than \d+ MiB; save the sheet as CSV"):
        rows(content.getvalue(), ImportFormat.XLSX)


def test_a_damaged_workbook_is_refused() -> None:
    with pytest.raises(InvalidInput, match="the workbook cannot be read"):
        rows(workbook(["text", "label"], ["a", "b"])[:900], None)

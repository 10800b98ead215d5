"""What kind of file it is, by its first bytes; those that hold no rows are named, with what to do instead."""

from json import JSONDecodeError, JSONDecoder
from typing import IO, Final

import orjson

from tuneloop.datasets.read_json import holds_list
from tuneloop.datasets.row import ImportFormat
from tuneloop.kit.errors import InvalidInput

_HEAD: Final = 1 << 16
_ZIP: Final = b"PK\x03\x04"
_UNREADABLE: Final = {
    b"\x1f\x8b": "the file is compressed with gzip; send it uncompressed",
    b"BZh": "the file is compressed with bzip2; send it uncompressed",
    b"\xfd7zXZ": "the file is compressed with xz; send it uncompressed",
    b"\x28\xb5\x2f\xfd": "the file is compressed with zstd; send it uncompressed",
    b"7z\xbc\xaf\x27\x1c": "the file is a 7z archive; unpack it",
    b"Rar!": "the file is a RAR archive; unpack it",
    b"\xd0\xcf\x11\xe0": "the file is a workbook of Excel 2003 or older; save it as .xlsx or as CSV (UTF-8)",
    b"PAR1": "the file is Parquet; export it as CSV, or as JSONL (pandas: to_json(orient='records', lines=True))",
    b"ARROW1": "the file is Arrow; export it as JSONL or CSV",
    b"SQLite format 3": "the file is a SQLite database; export the table as CSV",
    b"%PDF": "the file is a PDF; paste its text as a document, from which examples are proposed",
    b"{\\rtf": "the file is rich text; save it as plain text in CSV or JSONL",
    b"\x80\x04": "the file is a Python pickle, which is never read; export it as JSONL or CSV",
}


def is_workbook(file: IO[bytes]) -> bool:
    """Whether the file is an archive, as workbooks are.

    Raises:
        InvalidInput: it is of a kind that is not read here.
    """
    head = _head(file)
    for magic, advice in _UNREADABLE.items():
        if head.startswith(magic):
            raise InvalidInput(f"line 1: {advice}", line=1)
    return head.startswith(_ZIP)


def kind_of_text(file: IO[bytes], hint: ImportFormat | None) -> ImportFormat:
    """By its beginning, which is UTF-8; where that is unclear it is what the file's name or type `hint`s at.

    Raises:
        InvalidInput: it is markup.
    """
    head = _head(file).decode(errors="replace").lstrip()
    if head[:1] == "<" and head[:200].lower().startswith(("<!doctype", "<html", "<?xml")):
        raise InvalidInput("line 1: the file is a web page or XML; export the data as CSV or JSONL", line=1)
    whole = _is_json(head.partition("\n")[0])
    if holds_list(head) and hint is not ImportFormat.CSV and not (whole and "\n" in head.rstrip()):
        return ImportFormat.JSON
    if head.startswith("{") and (whole or hint is not ImportFormat.CSV):
        return ImportFormat.JSONL if whole or not _is_spread(head) else ImportFormat.JSON
    return hint or ImportFormat.CSV


def _is_json(line: str) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def _is_spread(head: str) -> bool:
    """Whether the first object is written over several lines."""
    try:
        _, end = JSONDecoder().raw_decode(head)
    except (JSONDecodeError, RecursionError):
        return False
    return "\n" in head[:end]


def _head(file: IO[bytes]) -> bytes:
    start = file.tell()
    head = file.read(_HEAD)
    file.seek(start)
    return head

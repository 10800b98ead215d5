"""A file of text line by line: what is too long costs one line of memory and ends in a numbered problem."""

from collections.abc import Iterator
from typing import IO, NamedTuple

from tuneloop.datasets.row import Limits
from tuneloop.kit.errors import TooLarge


class Line(NamedTuple):
    """`raw` is None for a line over the limit, whose bytes were skipped."""

    number: int
    raw: bytes | None


def lines(file: IO[bytes], limits: Limits) -> Iterator[Line]:
    """Raises TooLarge when the file has more bytes than the limits allow."""
    number = total = 0
    while chunk := file.readline(limits.line_bytes + 1):
        number += 1
        total = _counted(total, chunk, number, limits)
        complete = len(chunk) <= limits.line_bytes
        rest = chunk
        while not complete and rest and not rest.endswith(b"\n"):
            rest = file.readline(limits.line_bytes)
            total = _counted(total, rest, number, limits)
        yield Line(number, chunk if complete else None)


def too_long(limits: Limits) -> str:
    return f"longer than {size(limits.line_bytes)}; shorten or remove it"


def too_large(line: int, limits: Limits) -> TooLarge:
    return TooLarge(
        f"line {line}: the file is larger than {size(limits.file_bytes)}; split it", line=line, limit=limits.file_bytes
    )


def size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count:,} bytes"


def defect(raw: bytes) -> str | None:
    """Why bytes are not text."""
    if b"\0" in raw:
        return "contains a NUL byte; remove it"
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return f"not valid UTF-8 at byte {error.start + 1}; save the file as UTF-8"
    return None


def _counted(total: int, chunk: bytes, number: int, limits: Limits) -> int:
    if total + len(chunk) > limits.file_bytes:
        raise too_large(number, limits)
    return total + len(chunk)

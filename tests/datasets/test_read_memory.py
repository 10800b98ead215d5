"""A file of any size is read in the memory of one line."""

import io
import tracemalloc
from collections.abc import Iterator

import pytest

from tuneloop.datasets.formats import read_rows
from tuneloop.datasets.row import ImportFormat
from tuneloop.kit.errors import TooLarge

pytestmark = pytest.mark.failure_case(21)

TWO_GB = 2_000_000_000


class Endless(io.RawIOBase):
    """Two gigabytes that start with `head` and go on with `body`, made while they are read."""

    def __init__(self, head: bytes, body: bytes) -> None:
        self._made = head, body
        self.seek(0)

    def _bytes(self, head: bytes, body: bytes) -> Iterator[bytes]:
        yield head
        block = body * (65_536 // len(body))
        while self.served < TWO_GB:
            yield block

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.served

    def seek(self, offset: int, whence: int = 0) -> int:
        """To the beginning, or where it is."""
        if offset == 0 and whence == 0:
            self._source, self.served = self._bytes(*self._made), 0
        return self.served

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        block = next(self._source, b"")[: len(buffer)]
        buffer[: len(block)] = block
        self.served += len(block)
        return len(block)


@pytest.mark.parametrize(
    ("file_format", "head"), [(ImportFormat.JSONL, b'{"text": "'), (ImportFormat.CSV, b'text,label\n"')]
)
def test_a_line_of_two_gigabytes_is_refused_at_200_mib_in_little_memory(file_format: ImportFormat, head: bytes) -> None:
    endless = Endless(head, b"a")
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match=r"^line \d: the file is larger than 200 MiB; split it$"):
            for _ in read_rows(io.BufferedReader(endless), file_format):
                pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert endless.served < 202 << 20
    assert peak < 16 << 20


def test_a_csv_cell_that_never_closes_is_refused_early() -> None:
    endless = Endless(b'text,label\n"', b"a\n")
    (only,) = read_rows(io.BufferedReader(endless), ImportFormat.CSV)
    assert str(only).startswith("line 2: field larger than field limit")
    assert endless.served < 2 << 20

"""Rows of JSON: one object per line, or the objects of a list, wherever its lines end."""

import codecs
import re
from collections.abc import Iterator
from json import JSONDecodeError, JSONDecoder
from typing import IO, Final

import orjson

from tuneloop.datasets.lines import defect, lines, too_large, too_long
from tuneloop.datasets.row import Limits, Record, RowProblem, problem
from tuneloop.kit.errors import InvalidInput

_CHUNK: Final = 1 << 16
_BETWEEN: Final = re.compile(r"[\s,]*")
_LIST_WITHIN: Final = re.compile(
    r'\s*\{\s*(?:"\w+"\s*:\s*(?:"[^"]*"|[\d.]+|true|false|null)\s*,\s*)*'
    r'"(?:data|rows|examples|items|records|results|traces|observations)"\s*:\s*\['
)
_LIST: Final = re.compile(r"\s*\[")


def holds_list(head: str) -> bool:
    """Whether the text begins with a list, or an object whose rows are in one."""
    return bool(_LIST.match(head) or _LIST_WITHIN.match(head))


def read_json_lines(file: IO[bytes], limits: Limits) -> Iterator[Record | RowProblem]:
    for number, raw in lines(file, limits):
        if raw is None:
            yield problem(number, too_long(limits))
        elif fault := defect(raw):
            yield problem(number, fault)
        elif stripped := raw.strip():
            yield _object(number, stripped)


def read_json_list(file: IO[bytes], limits: Limits) -> Iterator[Record | RowProblem]:
    """Objects of a list, read as a stream. Stops at a broken one: behind it nobody knows where the next begins."""
    source = _Window(file, limits)
    source.skip_opening()
    while source.at_element():
        start = source.line
        taken = source.element()
        if isinstance(taken, RowProblem):
            yield taken
            return
        yield _object(start, taken.encode("utf-8", "surrogatepass"))
    if source.open:
        yield problem(source.line, "the list is not closed; the file was cut off, so export it again")


class _Window:
    """The part of the text that is being read; no element may be longer than a line."""

    def __init__(self, file: IO[bytes], limits: Limits) -> None:
        self._file = file
        self._limits = limits
        self._text = ""
        self._position = 0
        self._total = 0
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._decoder = JSONDecoder()
        self.line = 1
        self.open = False

    def skip_opening(self) -> None:
        self._more()
        if opening := _LIST.match(self._text) or _LIST_WITHIN.match(self._text):
            self.open = True
            self._go_to(opening.end())

    def at_element(self) -> bool:
        """Steps over what separates elements; False at the end of the list or of the file."""
        while True:
            gap = _BETWEEN.match(self._text, self._position)
            self._go_to(gap.end() if gap else self._position)
            if self._position < len(self._text):
                if self._text[self._position] != "]":
                    return True
                self.open = False
                return False
            if not self._more():
                return False

    def element(self) -> str | RowProblem:
        """The text of the element that begins here."""
        while True:
            try:
                _, end = self._decoder.raw_decode(self._text, self._position)
            except RecursionError:
                return problem(self.line, "not valid JSON, depth limit exceeded; the rest of the file was not read")
            except JSONDecodeError as error:
                if len(self._text) - self._position > self._limits.line_bytes:
                    return problem(self.line, f"{too_long(self._limits)}; the rest of the file was not read")
                if not self._more():
                    where = self.line + self._text.count("\n", self._position, error.pos)
                    return problem(where, f"not valid JSON, {error.msg}; correct it, the rest of the file was not read")
            else:
                taken = self._text[self._position : end]
                self._go_to(end)
                return taken

    def _go_to(self, position: int) -> None:
        self.line += self._text.count("\n", self._position, position)
        self._position = position

    def _more(self) -> bool:
        chunk = self._file.read(_CHUNK)
        self._total += len(chunk)
        if self._total > self._limits.file_bytes:
            raise too_large(self.line, self._limits)
        try:
            text = self._utf8.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            raise InvalidInput(
                f"line {self.line} or later: not valid UTF-8; save the file as UTF-8", line=self.line
            ) from error
        self._text = self._text[self._position :] + text
        self._position = 0
        return bool(chunk)


def _object(line: int, raw: bytes) -> Record | RowProblem:
    try:
        record = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if raw.endswith((b"},", b"},\r")):
            return problem(line, "a comma follows the object; remove it, or enclose all rows in [ and ]")
        reason = f"{error.msg} at character {error.pos + 1}"
        return problem(line, f"not valid JSON, {reason}; write one JSON object per line")
    if not isinstance(record, dict):
        return problem(line, 'a row must be a JSON object, such as {"text": …, "label": …}')
    return Record(line, record)

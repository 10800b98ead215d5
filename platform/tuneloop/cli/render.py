"""The one way in which things are drawn for people: columns and facts as data."""

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar
from uuid import UUID

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Column as RichColumn
from rich.table import Table
from rich.text import Text

from tuneloop.kit.figures import NONE
from tuneloop.registry.templates import Message

DIGEST_SHOWN = 12
_BIDI_CONTROLS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}

Cell = str | int | datetime | UUID | Text | None
"""Shown as it is: no markup, no control characters; a time in local time, to the minute."""

T = TypeVar("T")


class Kind(StrEnum):
    TEXT = "text"
    WHOLE = "whole"
    """Never folded: names, ids, times."""
    RIGHT = "right"
    """Numbers and rates: never folded, and flush right."""


@dataclass(frozen=True)
class Column(Generic[T]):
    header: str
    cell: Callable[[T], Cell]
    kind: Kind = Kind.TEXT


def text(header: str, cell: Callable[[T], Cell]) -> Column[T]:
    return Column(header, cell)


def whole(header: str, cell: Callable[[T], Cell]) -> Column[T]:
    return Column(header, cell, Kind.WHOLE)


def right(header: str, cell: Callable[[T], Cell]) -> Column[T]:
    return Column(header, cell, Kind.RIGHT)


class Rows(Generic[T]):
    """Draws a table: `Rows[Client](whole("Client", lambda it: it.slug), …)(clients)`."""

    def __init__(self, *columns: Column[T]) -> None:
        self._columns = columns

    def __call__(self, found: Iterable[T], title: str | None = None) -> Table:
        made = Table(
            *(
                RichColumn(
                    column.header,
                    no_wrap=column.kind is not Kind.TEXT,
                    justify="right" if column.kind is Kind.RIGHT else "left",
                )
                for column in self._columns
            ),
            title=title,
            title_justify="left",
            title_style="bold",
            box=box.SIMPLE_HEAD,
            show_edge=False,
            padding=(0, 1, 0, 0),
        )
        for each in found:
            made.add_row(*(shown(column.cell(each)) for column in self._columns))
        return made

    def one(self, found: T) -> Table:
        return self([found])


class Facts(Generic[T]):
    """Draws names and values under each other; empty values are left out."""

    def __init__(self, *fields: tuple[str, Callable[[T], Cell]]) -> None:
        self._fields = fields

    def __call__(self, found: T) -> Table:
        return facts(self.pairs(found))

    def pairs(self, found: T) -> Iterable[tuple[str, Cell]]:
        return ((name, value(found)) for name, value in self._fields)


def facts(pairs: Iterable[tuple[str, Cell]]) -> Table:
    made = Table.grid(RichColumn(style="dim", no_wrap=True), RichColumn(overflow="fold"), padding=(0, 2))
    for name, value in pairs:
        if value not in (None, ""):
            made.add_row(name, shown(value))
    return made


def stack(*parts: RenderableType | None) -> Group:
    """Parts under each other, with an empty line around tables."""
    put: list[RenderableType] = []
    for part in parts:
        if part is None:
            continue
        if put and (_is_ruled(part) or _is_ruled(put[-1])):
            put.append("")
        put.append(part)
    return Group(*put)


def bullets(sentences: Iterable[str]) -> Iterable[Padding]:
    return (Padding(Text(f"\u2022 {plain(sentence)}"), (0, 2)) for sentence in sentences)


def page(listed: Table, *, option: str, following: object) -> Group:
    """A page of a list, and how to see the next one."""
    return stack(listed, Text(f"More: {option} {following}", "dim") if following else None)


def shown(value: Cell) -> Text:
    if isinstance(value, Text):
        return value
    if isinstance(value, datetime):
        return Text(moment(value))
    return Text(NONE if value is None else plain(str(value)))


def moment(at: datetime | None) -> str:
    """Local time to the minute."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M") if at else NONE


def short(digest: str | None) -> str:
    return digest[:DIGEST_SHOWN] if digest else NONE


def number_of(version: str | None) -> str | None:
    """ "v1.2" of "acme/support@v1.2"."""
    return version.partition("@")[2] if version else None


def plain(text: str) -> str:
    """Without control characters: customers' text must not steer the operator's terminal."""
    return "".join("\ufffd" if _steers(character) else character for character in text)


def last_message(messages: Sequence[Message | Mapping[str, Any]], limit: int = 80) -> str:
    """The newest turn of a conversation on one line."""
    last = messages[-1] if messages else Message(role="user", content="")
    line = " ".join(str(last.content if isinstance(last, Message) else last["content"]).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}\u2026"


def _is_ruled(part: RenderableType) -> bool:
    return isinstance(part, Table) and part.box is not None


def _steers(character: str) -> bool:
    if character in "\n\t":
        return False
    return unicodedata.category(character) == "Cc" or unicodedata.bidirectional(character) in _BIDI_CONTROLS

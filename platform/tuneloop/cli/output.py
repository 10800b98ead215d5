"""Two ways to answer: the API's JSON untouched, or tables for people. Errors and progress go to stderr."""

import os
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from tuneloop.cli.failure import Failure
from tuneloop.cli.http import Reply

WIDTH_OF_A_PIPE = 120

_BIDI_CONTROLS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}

Cell = str | int | None | Text


def console(*, stderr: bool = False) -> Console:
    """As wide as the terminal; a pipe has no width, so it gets one that fits the tables."""
    found = Console(stderr=stderr, highlight=False)
    return found if found.is_terminal else Console(stderr=stderr, highlight=False, width=_piped_width(found))


def _piped_width(found: Console) -> int:
    return found.width if "COLUMNS" in os.environ else WIDTH_OF_A_PIPE


@dataclass(frozen=True)
class Output:
    json: bool
    people: Console = field(default_factory=console)
    notes: Console = field(default_factory=lambda: console(stderr=True))

    def show(self, reply: Reply, render: Callable[[Any], RenderableType]) -> None:
        """The answer of the command."""
        if self.json:
            self.write(reply.raw)
        else:
            self.people.print(Text("none", "dim") if _is_empty(reply.value) else render(reply.value))

    def say(self, message: str, *, style: str = "") -> None:
        """A sentence for people, where the answer is."""
        if not self.json:
            self.people.print(Text(plain(message), style), soft_wrap=True)

    def note(self, message: str) -> None:
        """A sentence beside the answer: stays out of pipes."""
        if not self.json:
            self.notes.print(Text(plain(message), "dim"), soft_wrap=True)

    def write(self, raw: bytes) -> None:
        """Bytes to stdout, ended by one line break; nothing stays nothing."""
        if raw:
            sys.stdout.buffer.write(raw.rstrip(b"\n") + b"\n")
            sys.stdout.buffer.flush()

    def fail(self, failure: Failure) -> None:
        if self.json:
            sys.stderr.buffer.write(orjson.dumps(failure.body(), default=str) + b"\n")
            sys.stderr.buffer.flush()
            return
        self.notes.print(Text.assemble(("Error: ", "bold red"), plain(failure.message)), soft_wrap=True)
        for line in _listed(failure.details):
            self.notes.print(Text(f"  {plain(line)}"), soft_wrap=True)


def table(*columns: Column | str, rows: Iterable[Sequence[Cell]], title: str | None = None) -> Table:
    """Cells are shown as they are: no markup, no control characters."""
    made = Table(
        *columns,
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    for row in rows:
        made.add_row(*(cell(value) for value in row))
    return made


def facts(pairs: Iterable[tuple[str, Cell]]) -> Table:
    """Names and values under each other; empty values are left out."""
    made = Table.grid(Column(style="dim", no_wrap=True), Column(overflow="fold"), padding=(0, 2))
    for name, value in pairs:
        if value not in (None, ""):
            made.add_row(name, cell(value))
    return made


def stack(*parts: RenderableType | None) -> Group:
    """Parts under each other, with an empty line around tables."""
    shown: list[RenderableType] = []
    for part in parts:
        if part is None:
            continue
        if shown and (_is_ruled(part) or _is_ruled(shown[-1])):
            shown.append("")
        shown.append(part)
    return Group(*shown)


def _is_ruled(part: RenderableType) -> bool:
    return isinstance(part, Table) and part.box is not None


def right(header: str) -> Column:
    return Column(header, justify="right", no_wrap=True)


def whole(header: str, *, style: str = "") -> Column:
    """A column that is never folded: names, ids, rates."""
    return Column(header, no_wrap=True, style=style)


def cell(value: Cell) -> Text:
    if isinstance(value, Text):
        return value
    return Text("\u2013" if value is None else plain(str(value)))


def plain(text: str) -> str:
    """Without control characters: customers' text must not steer the operator's terminal."""
    return "".join("\ufffd" if _steers(character) else character for character in text)


def _steers(character: str) -> bool:
    if character in "\n\t":
        return False
    return unicodedata.category(character) == "Cc" or unicodedata.bidirectional(character) in _BIDI_CONTROLS


def last_message(messages: Sequence[Mapping[str, Any]], limit: int = 200) -> str:
    """The newest turn of a conversation on one line."""
    text = " ".join(str(messages[-1]["content"]).split()) if messages else ""
    return text if len(text) <= limit else f"{text[: limit - 1]}\u2026"


def _is_empty(value: object) -> bool:
    return value == [] or (isinstance(value, dict) and value.get("items") == [])


def _listed(details: Mapping[str, Any]) -> Iterable[str]:
    """Details that are lists: wrong fields, wrong lines."""
    for items in details.values():
        if isinstance(items, list):
            yield from (_one(item) for item in items)


def _one(item: object) -> str:
    if not isinstance(item, dict):
        return str(item)
    where = item.get("field") or (f"line {item['line']}" if "line" in item else None)
    what = item.get("problem") or item.get("message")
    return f"{where}: {what}" if where and what else ", ".join(f"{name} {value}" for name, value in item.items())

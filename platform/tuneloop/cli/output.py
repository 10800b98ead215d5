"""Two ways to answer: the API's JSON untouched, or tables for people. Errors and progress go to stderr."""

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
from rich.console import Console, RenderableType
from rich.text import Text

from tuneloop.cli.failure import Failure
from tuneloop.cli.render import plain
from tuneloop.kit.api_client import Reply

WIDTH_OF_A_PIPE = 120

T = TypeVar("T")


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

    def show(self, reply: Reply[T], render: Callable[[T], RenderableType]) -> None:
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


def _is_empty(value: object) -> bool:
    return value == [] or getattr(value, "items", None) == []


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

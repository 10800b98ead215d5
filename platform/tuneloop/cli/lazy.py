"""Commands whose modules are imported when they are called: the list of all commands needs a line of each, no more."""

from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from tuneloop.cli.wiring import THE_LOOP


class Entry(NamedTuple):
    """A command or group of `module`, below `tuneloop.cli`: `app`, with the commands of `more`, or a command of it."""

    module: str
    help: str
    panel: str = THE_LOOP
    app: str = "app"
    more: typer.Typer | None = None


class Lazy(TyperCommand):
    def __init__(self, name: str, entry: Entry) -> None:
        super().__init__(name, help=entry.help, rich_help_panel=entry.panel)
        self._entry = entry

    def load(self) -> TyperCommand | TyperGroup:
        entry = self._entry
        group = get_group(getattr(import_module(f"tuneloop.cli.{entry.module}"), entry.app))
        group.no_args_is_help = True
        if entry.more is not None:
            group.commands = {**group.commands, **get_group(entry.more).commands}
        found = group.commands.get(self.name or "", group)
        found.name, found.help = self.name, entry.help
        assert isinstance(found, TyperCommand | TyperGroup)
        return found

    def make_context(self, *args: Any, **named: Any) -> Any:
        return self.load().make_context(*args, **named)

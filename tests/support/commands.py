"""The command line with all its commands loaded."""

import typer.main
from typer.core import TyperGroup

from tuneloop.cli.lazy import Lazy
from tuneloop.cli.main import app


def command_line() -> TyperGroup:
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    root.commands = {name: each.load() if isinstance(each, Lazy) else each for name, each in root.commands.items()}
    return root

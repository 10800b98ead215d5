"""`tuneloop base`: base models. Registering one is a platform matter, so `base add` is a process command."""

from collections.abc import Sequence
from typing import Any

import typer
from rich.table import Table

from tuneloop.cli import figures
from tuneloop.cli.output import right, table, whole
from tuneloop.cli.wiring import Terminal, command

app = typer.Typer(no_args_is_help=True, help="Base models that models are built on.")


@command(app, "list")
def index(terminal: Terminal) -> None:
    """Base models that a model can be built on."""
    terminal.out.show(terminal.api.get("/bases"), render_bases)


def render_bases(bases: Sequence[dict[str, Any]]) -> Table:
    return table(
        whole("Base"),
        "Architecture",
        "Quantisation",
        right("Context"),
        "Licence",
        "Source",
        whole("GGUF"),
        rows=[
            (
                each["name"],
                each["architecture"],
                each["quantisation"],
                each["context_length"],
                each["licence"],
                f"{each['source']} {each['revision']}",
                figures.digest(each["gguf_sha256"]),
            )
            for each in bases
        ],
    )

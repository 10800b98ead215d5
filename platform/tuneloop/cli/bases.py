"""`tuneloop base`: base models. Registering one is a platform matter, so `base add` is a process command."""

import typer

from tuneloop.cli.render import Rows, right, short, text, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.registry.schemas import BaseRead

app = typer.Typer()


@command(app, "list")
def index(terminal: Terminal) -> None:
    """Base models that a model can be built on."""
    terminal.show(terminal.api.get("/bases", list[BaseRead]), BASES)


BASES = Rows[BaseRead](
    whole("Base", lambda it: it.name),
    text("Architecture", lambda it: it.architecture),
    text("Quantisation", lambda it: it.quantisation),
    right("Context", lambda it: it.context_length),
    whole("Own template", lambda it: "yes" if it.own_template else "no"),
    text("Licence", lambda it: it.licence),
    text("Source", lambda it: f"{it.source} {it.revision}"),
    whole("GGUF", lambda it: short(it.gguf_sha256)),
)

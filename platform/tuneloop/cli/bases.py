"""`tuneloop base`: base models. `base add` registers any one and is a process command; `base order` asks a worker."""

from typing import Annotated

import typer

from tuneloop.cli.arguments import NoWait
from tuneloop.cli.jobs import show_job
from tuneloop.cli.render import Rows, right, short, text, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.kit.figures import size
from tuneloop.kit.jobs.reading import JobRead
from tuneloop.registry.schemas import BaseRead, HubFileRead, SuggestionRead

app = typer.Typer()


@command(app, "list")
def index(terminal: Terminal) -> None:
    """Base models that a model can be built on."""
    terminal.show(terminal.api.get("/bases", list[BaseRead]), BASES)


@command(app, "catalogue")
def catalogue(terminal: Terminal) -> None:
    """Bases that are good to begin with, and what each needs of a machine."""
    terminal.show(terminal.api.get("/bases/catalogue", list[SuggestionRead]), SUGGESTIONS)


@command(app, "order")
def order(
    terminal: Terminal,
    base: Annotated[str, typer.Argument(metavar="BASE", help="Its name in the catalogue.")],
    no_wait: NoWait = False,
) -> None:
    """Have a worker of the installation download and register a base of the catalogue."""
    show_job(terminal, terminal.api.post("/bases", JobRead, {"name": base}), wait=not no_wait)


HUB_FILES = Rows[HubFileRead](
    whole("File", lambda it: it.file),
    text("Quantisation", lambda it: it.quantisation),
    right("Size", lambda it: size(it.size)),
    right("Disk", lambda it: size(it.disk)),
    right("Memory to serve", lambda it: size(it.serving)),
    right("Memory to train", lambda it: size(it.training)),
)
SUGGESTIONS = Rows[SuggestionRead](
    whole("Base", lambda it: it.name),
    text("Good for", lambda it: it.good_for),
    right("Size", lambda it: size(it.size)),
    right("Memory to serve", lambda it: size(it.serving)),
    right("Memory to train", lambda it: size(it.training)),
    text("Licence", lambda it: it.licence),
    whole("Repository", lambda it: it.repository),
)
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

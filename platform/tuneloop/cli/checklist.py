"""`tuneloop checklist`: what is left to set up."""

import typer

from tuneloop.cli.render import Rows, text, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.founding.schemas import StepRead

app = typer.Typer()


@command(app, "checklist")
def checklist(terminal: Terminal) -> None:
    """What is left until a model is in production and connected, and what may follow."""
    terminal.show(terminal.api.get("/checklist", list[StepRead]), STEPS)


STEPS = Rows[StepRead](
    whole("Step", lambda it: it.title),
    text("", lambda it: "done" if it.done else "if you like" if it.optional else "left"),
    text("What it is", lambda it: it.says),
    text("Page", lambda it: it.address),
)

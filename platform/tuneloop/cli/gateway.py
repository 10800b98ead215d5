"""`tuneloop ask`: one question to a model, through the same endpoint that applications call."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from tuneloop.cli import figures
from tuneloop.cli.output import plain, stack, table, whole
from tuneloop.cli.wiring import THE_LOOP, Terminal, command

app = typer.Typer()


@command(app, "ask", panel=THE_LOOP)
def ask(
    terminal: Terminal,
    model: Annotated[
        str | None, typer.Argument(metavar="CLIENT/MODEL[@VERSION]", help="Left out, lists what may be asked.")
    ] = None,
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="The message.")] = None,
) -> None:
    """Ask a model that is served, as an application would."""
    if model is None:
        terminal.out.show(terminal.api.get("/v1/models"), lambda found: render_served(found["data"]))
    elif text is None:
        terminal.out.show(terminal.api.get(f"/v1/models/{model}"), lambda found: render_served([found]))
    else:
        body = {"model": model, "messages": [{"role": "user", "content": text}]}
        terminal.out.show(terminal.api.post("/v1/chat/completions", body), render_answer)


def render_served(models: Sequence[dict[str, Any]]) -> Table:
    return table(whole("Served"), "Owner", rows=[(each["id"], each["owned_by"]) for each in models])


def render_answer(completion: dict[str, Any]) -> Group:
    confidence = figures.share(completion.get("tuneloop", {}).get("confidence"))
    beside = f"{completion['model']}, confidence {confidence}, {completion['id']}"
    return stack(Text(plain(completion["choices"][0]["message"]["content"])), Text(beside, "dim"))

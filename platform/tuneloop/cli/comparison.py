"""`tuneloop compare`: production and candidate side by side, and the gate's verdict."""

from typing import Annotated, Any

import typer

from tuneloop.cli.arguments import Cycle, Model
from tuneloop.cli.cycle_view import render_comparison
from tuneloop.cli.cycles import find_cycle
from tuneloop.cli.failure import ExitCode, Failure
from tuneloop.cli.gate_view import render_tried
from tuneloop.cli.http import model_path
from tuneloop.cli.wiring import THE_LOOP, Terminal, command

app = typer.Typer()


@command(app, "compare", panel=THE_LOOP)
def compare(
    terminal: Terminal,
    cycle: Cycle,
    categories: Annotated[bool, typer.Option("--categories", help="A row for each category too.")] = False,
    items: Annotated[bool, typer.Option("--items", help="List the items that were fixed and broken.")] = False,
) -> None:
    """Production and candidate on the same items; exit code 6 unless the verdict is 'promote'."""
    reply = find_cycle(terminal.api, cycle)
    found = reply.value
    if found["comparison"] is None:
        raise Failure(
            "not_compared",
            f"cycle {found['id']} is {found['state'].replace('_', ' ')} and has no comparison; "
            + ("a first version has nothing to be compared with" if found["parent"] is None else "wait for it")
            + f"; see 'tuneloop cycle show {found['id']}'",
            details={"cycle": found["id"], "state": found["state"]},
        )
    terminal.out.show(reply, lambda shown: render_comparison(shown, categories=categories, items=items))
    if found["comparison"]["outcome"] != "promote":
        raise typer.Exit(ExitCode.NOT_PROMOTE)


@command(app, "try", panel=THE_LOOP)
def try_prompt(
    terminal: Terminal,
    model: Model,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The message.")],
    version: Annotated[
        list[str] | None,
        typer.Option(help="Alias, number or digest; may be repeated. Production and candidate when left out."),
    ] = None,
) -> None:
    """One message, answered by two versions at once. It is not logged."""
    body: dict[str, Any] = {"prompt": text} | ({"versions": version} if version else {})
    terminal.out.show(terminal.api.post(f"{model_path(model.client, model.model)}/try", body), render_tried)

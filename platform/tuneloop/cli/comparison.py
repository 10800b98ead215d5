"""`tuneloop compare`: production and candidate side by side, and the gate's verdict."""

from typing import Annotated

import typer

from tuneloop.cli.arguments import Cycle, Model, given, path_of
from tuneloop.cli.cycle_view import render_comparison
from tuneloop.cli.cycles import find_cycle
from tuneloop.cli.failure import ExitCode, Failure
from tuneloop.cli.gate_view import render_tried
from tuneloop.cli.wiring import THE_LOOP, Terminal, command
from tuneloop.evaluation.schemas import PromptComparison
from tuneloop.kit.figures import words
from tuneloop.stats.outcome import Outcome

app = typer.Typer()


@command(app, "compare", panel=THE_LOOP)
def compare(
    terminal: Terminal,
    cycle: Cycle,
    categories: Annotated[bool, typer.Option("--categories", help="A row for each category too.")] = False,
    items: Annotated[bool, typer.Option("--items", help="List the items that were fixed and broken.")] = False,
) -> None:
    reply = find_cycle(terminal.api, cycle)
    found, comparison = reply.value, reply.value.comparison
    if comparison is None:
        why = "a first version has nothing to be compared with" if found.parent is None else "wait for it"
        raise Failure(
            "not_compared",
            f"cycle {found.id} is {words(found.state)} and has no comparison; {why}; "
            f"see 'tuneloop cycle show {found.id}'",
            details={"cycle": str(found.id), "state": found.state},
        )
    terminal.show(reply, lambda shown: render_comparison(shown, comparison, categories=categories, items=items))
    if comparison.outcome != Outcome.PROMOTE:
        raise typer.Exit(ExitCode.NOT_PROMOTE)


@command(app, "try", panel=THE_LOOP)
def try_prompt(
    terminal: Terminal,
    model: Model,
    message: Annotated[str, typer.Argument(metavar="TEXT", help="The message.")],
    version: Annotated[
        list[str] | None,
        typer.Option(help="Alias, number or digest; may be repeated. Production and candidate when left out."),
    ] = None,
) -> None:
    body = given(prompt=message, versions=version or None)
    terminal.show(terminal.api.post(f"{path_of(model)}/try", PromptComparison, body), render_tried)

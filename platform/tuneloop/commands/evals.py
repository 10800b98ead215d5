"""`tuneloop eval`: what versions answered on the golden set."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Group
from rich.table import Table

from tuneloop.commands import figures
from tuneloop.commands.arguments import Model
from tuneloop.commands.failure import ExitCode, Failure
from tuneloop.commands.http import model_path
from tuneloop.commands.output import right, stack, table, whole
from tuneloop.commands.wiring import THE_LOOP, Terminal, command

app = typer.Typer()


@command(app, "eval", panel=THE_LOOP)
def evaluations(
    terminal: Terminal,
    model: Model,
    answers: Annotated[bool, typer.Option("--answers", help="Every answer of the newest run.")] = False,
    run: Annotated[UUID | None, typer.Option(metavar="ID", help="Every answer of this run.")] = None,
    wrong: Annotated[bool, typer.Option("--wrong", help="Of the answers, only the wrong ones.")] = False,
) -> None:
    """Evaluations of a model, newest first, and the newest one by category."""
    runs = terminal.api.get(f"{model_path(model.client, model.model)}/evals")
    if not (answers or run or wrong):
        terminal.out.show(runs, render_runs)
        return
    if run is None and not runs.value:
        name = f"{model.client}/{model.model}"
        raise Failure(
            "not_found",
            f"{name} was never evaluated; train it with 'tuneloop train {name}'",
            exit_code=ExitCode.NOT_FOUND,
        )
    found = terminal.api.get(f"/evals/{run or runs.value[0]['id']}/answers")
    terminal.out.show(found, lambda items: render_answers([item for item in items if not (wrong and item["correct"])]))


def render_runs(runs: Sequence[dict[str, Any]]) -> Group:
    listed = table(
        whole("Version"),
        right("Correct"),
        right("Hallucinated"),
        right("Time"),
        whole("Run"),
        whole("Made"),
        rows=[
            (
                each["version"],
                figures.rate(each["overall"]),
                figures.rate(each["hallucination"]),
                figures.duration(each["seconds"]),
                each["id"],
                figures.moment(each["created_at"]),
            )
            for each in runs
        ],
    )
    return stack(listed, _categories(runs[0]) if runs else None)


def render_answers(answers: Sequence[dict[str, Any]]) -> Table:
    return table(
        "",
        "Category",
        "Expected",
        "Answer",
        right("Confidence"),
        "Detail",
        rows=[
            (
                "\u2713" if each["correct"] else "\u2717",
                each["category"],
                each["expected"],
                each["answer"],
                figures.share(each["confidence"]),
                each["detail"],
            )
            for each in answers
        ],
    )


def _categories(run: dict[str, Any]) -> Table:
    return table(
        "Category",
        right("Correct"),
        rows=[(name, figures.rate(rate)) for name, rate in run["categories"].items()],
        title=f"{run['version']} by category",
    )

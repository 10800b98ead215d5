"""`tuneloop eval`: what versions answered on the golden set."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.table import Table

from tuneloop.cli import figures
from tuneloop.cli.arguments import Model
from tuneloop.cli.failure import ExitCode, Failure
from tuneloop.cli.http import model_path
from tuneloop.cli.output import right, stack, table, whole
from tuneloop.cli.wiring import THE_LOOP, Terminal, command
from tuneloop.registry.names import ModelName

app = typer.Typer()


@command(app, "eval", panel=THE_LOOP)
def evaluations(
    terminal: Terminal,
    model: Model,
    answers: Annotated[bool, typer.Option("--answers", help="Show every answer of the newest run instead.")] = False,
    wrong: Annotated[bool, typer.Option("--wrong", help="Of the answers, show only the wrong ones.")] = False,
    version: Annotated[str | None, typer.Option(metavar="v1.0", help="Answers of this version's newest run.")] = None,
) -> None:
    """Evaluations of a model, newest first, and the newest one by category."""
    runs = terminal.api.get(f"{model_path(model.client, model.model)}/evals")
    if not (answers or wrong or version):
        terminal.out.show(runs, render_runs)
        return
    run = _newest(model, runs.value, version)
    found = terminal.api.get(f"/evals/{run['id']}/answers")
    terminal.out.show(found, lambda items: render_answers([item for item in items if not (wrong and item["correct"])]))


def render_runs(runs: Sequence[dict[str, Any]]) -> Group:
    listed = table(
        whole("Version"),
        right("Correct"),
        right("Hallucinated"),
        right("Time"),
        whole("Made"),
        rows=[
            (
                each["version"],
                figures.rate(each["overall"]),
                figures.rate(each["hallucination"]),
                figures.duration(each["seconds"]),
                figures.moment(each["created_at"]),
            )
            for each in runs
        ],
    )
    return stack(listed, _categories(runs[0]))


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


def _newest(model: ModelName, runs: Sequence[dict[str, Any]], version: str | None) -> dict[str, Any]:
    for run in runs:
        if version is None or run["version"].endswith(f"@{version}"):
            return run
    name = f"{model.client}/{model.model}"
    raise Failure(
        "not_found",
        f"{name}{f'@{version}' if version else ''} was never evaluated; see 'tuneloop version list {name}'",
        exit_code=ExitCode.NOT_FOUND,
    )


def _categories(run: dict[str, Any]) -> Table:
    return table(
        "Category",
        right("Correct"),
        rows=[(name, figures.rate(rate)) for name, rate in run["categories"].items()],
        title=f"{run['version']} by category",
    )

"""`tuneloop eval`: what versions answered on the golden set."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Group

from tuneloop.cli.arguments import Model, path_of
from tuneloop.cli.failure import ExitCode, Failure
from tuneloop.cli.render import Rows, right, stack, text, whole
from tuneloop.cli.wiring import THE_LOOP, Terminal, command
from tuneloop.kit import figures
from tuneloop.kit.figures import RateRead
from tuneloop.registry.names import ModelName
from tuneloop.retraining.schemas import EvalAnswerRead, EvalRunRead

app = typer.Typer()


@command(app, "eval", panel=THE_LOOP)
def evaluations(
    terminal: Terminal,
    model: Model,
    answers: Annotated[bool, typer.Option("--answers", help="Show every answer of the newest run instead.")] = False,
    wrong: Annotated[bool, typer.Option("--wrong", help="Of the answers, show only the wrong ones.")] = False,
    version: Annotated[str | None, typer.Option(metavar="v1.0", help="Answers of this version's newest run.")] = None,
) -> None:
    runs = terminal.api.get(f"{path_of(model)}/evals", list[EvalRunRead])
    if not (answers or wrong or version):
        terminal.show(runs, render_runs)
        return
    run = _newest(model, runs.value, version)
    found = terminal.api.get(f"/evals/{run.id}/answers", list[EvalAnswerRead])
    terminal.show(found, lambda items: ANSWERS(item for item in items if not (wrong and item.correct)))


def render_runs(runs: Sequence[EvalRunRead]) -> Group:
    newest = runs[0]
    return stack(RUNS(runs), CATEGORIES(newest.categories.items(), title=f"{newest.version} by category"))


def _newest(model: ModelName, runs: Sequence[EvalRunRead], version: str | None) -> EvalRunRead:
    for run in runs:
        if version is None or run.version.endswith(f"@{version}"):
            return run
    name = f"{model.client}/{model.model}"
    raise Failure(
        "not_found",
        f"{name}{f'@{version}' if version else ''} was never evaluated; see 'tuneloop version list {name}'",
        exit_code=ExitCode.NOT_FOUND,
    )


RUNS = Rows[EvalRunRead](
    whole("Version", lambda it: it.version),
    right("Correct", lambda it: figures.rate(it.overall)),
    right("Hallucinated", lambda it: figures.rate(it.hallucination)),
    right("Time", lambda it: figures.duration(it.seconds)),
    whole("Made", lambda it: it.created_at),
)
CATEGORIES = Rows[tuple[str, RateRead]](
    text("Category", lambda it: it[0]), right("Correct", lambda it: figures.rate(it[1]))
)
ANSWERS = Rows[EvalAnswerRead](
    text("", lambda it: "\u2713" if it.correct else "\u2717"),
    text("Category", lambda it: it.category),
    text("Expected", lambda it: it.expected),
    text("Answer", lambda it: it.answer),
    right("Confidence", lambda it: figures.number(it.confidence, ".2f")),
    text("Detail", lambda it: it.detail),
)

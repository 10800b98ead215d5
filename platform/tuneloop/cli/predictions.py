"""`tuneloop prediction`: what production answered."""

from typing import Annotated
from urllib.parse import quote

import typer
from rich.console import Group
from rich.table import Table

from tuneloop.cli.arguments import Model, path_of
from tuneloop.cli.render import Rows, facts, last_message, page, right, short, text, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.kit.figures import number
from tuneloop.predictions.schemas import PredictionPage, PredictionRead

app = typer.Typer()


@command(app, "list")
def index(
    terminal: Terminal,
    model: Model,
    confidence_below: Annotated[float | None, typer.Option(help="Only less sure answers.", min=0, max=1)] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 20,
    before: Annotated[str | None, typer.Option(metavar="ID", help="The page after this one.")] = None,
) -> None:
    """Answers of a model, newest first."""
    query = {"confidence_below": confidence_below, "limit": limit, "before": before}
    terminal.show(terminal.api.get(f"{path_of(model)}/predictions", PredictionPage, **query), render_page)


@command(app, "show")
def show(
    terminal: Terminal,
    model: Model,
    completion: Annotated[str, typer.Argument(metavar="COMPLETION", help="Id of the answer: chatcmpl-…")],
) -> None:
    """One answer."""
    path = f"{path_of(model)}/predictions/{quote(completion, safe='')}"
    terminal.show(terminal.api.get(path, PredictionRead), render_prediction)


def render_page(found: PredictionPage) -> Group:
    return page(PREDICTIONS(found.items), option="--before", following=found.next)


def render_prediction(found: PredictionRead) -> Table:
    return facts(
        [
            ("Answer", found.id),
            ("At", found.at),
            *((turn["role"].capitalize(), turn["content"]) for turn in found.messages),
            ("Answered", found.answer),
            ("Confidence", number(found.confidence, ".2f")),
            ("Margin", number(found.margin, ".2f")),
            ("Digest", short(found.digest)),
            ("Tokens", f"{found.prompt_tokens} read, {found.completion_tokens} written"),
            ("Took", f"{found.latency_ms:.0f} ms"),
            ("End user", found.end_user),
        ]
    )


PREDICTIONS = Rows[PredictionRead](
    whole("Answer's id", lambda it: it.id),
    whole("At", lambda it: it.at),
    text("Message", lambda it: last_message(it.messages)),
    text("Answer", lambda it: it.answer),
    right("Confidence", lambda it: number(it.confidence, ".2f")),
)

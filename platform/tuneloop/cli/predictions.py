"""`tuneloop prediction`: what production answered."""

from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from tuneloop.cli import figures
from tuneloop.cli.arguments import Model
from tuneloop.cli.http import model_path
from tuneloop.cli.output import facts, last_message, right, stack, table, whole
from tuneloop.cli.wiring import Terminal, command

app = typer.Typer(no_args_is_help=True, help="The production log.")


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
    found = terminal.api.get(f"{model_path(model.client, model.model)}/predictions", **query)
    terminal.out.show(found, render_page)


@command(app, "show")
def show(
    terminal: Terminal,
    model: Model,
    completion: Annotated[str, typer.Argument(metavar="COMPLETION", help="Id of the answer: chatcmpl-…")],
) -> None:
    """One answer."""
    path = f"{model_path(model.client, model.model)}/predictions/{quote(completion, safe='')}"
    terminal.out.show(terminal.api.get(path), render_prediction)


def render_page(page: dict[str, Any]) -> Group:
    listed = table(
        whole("Answer's id"),
        whole("At"),
        "Message",
        "Answer",
        right("Confidence"),
        rows=[
            (
                each["id"],
                figures.moment(each["at"]),
                last_message(each["messages"], limit=80),
                each["answer"],
                figures.share(each["confidence"]),
            )
            for each in page["items"]
        ],
    )
    return stack(listed, Text(f"More: --before {page['next']}", "dim") if page["next"] else None)


def render_prediction(prediction: dict[str, Any]) -> Table:
    return facts(
        [
            ("Answer", prediction["id"]),
            ("At", figures.moment(prediction["at"])),
            *((turn["role"].capitalize(), turn["content"]) for turn in prediction["messages"]),
            ("Answered", prediction["answer"]),
            ("Confidence", figures.share(prediction["confidence"])),
            ("Margin", figures.share(prediction["margin"])),
            ("Digest", figures.digest(prediction["digest"])),
            ("Tokens", f"{prediction['prompt_tokens']} read, {prediction['completion_tokens']} written"),
            ("Took", f"{prediction['latency_ms']:.0f} ms"),
            ("End user", prediction["end_user"]),
        ]
    )

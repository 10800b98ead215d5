"""`tuneloop prediction`: what production answered."""

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from tuneloop.cli.arguments import Model, path_of
from tuneloop.cli.file_options import EncodingOption, File, TextName, send_file
from tuneloop.cli.render import Facts, Rows, facts, last_message, page, plain, right, short, stack, text, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.datasets.logs.schemas import AnswersImported, TracesTaken
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


@command(app, "import")
def import_file(
    terminal: Terminal,
    model: Model,
    file: File,
    version: Annotated[
        str | None, typer.Option("--version", metavar="VERSION", help="Whose answers they are; production if left out.")
    ] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Import the good rows of a file with bad ones.")] = False,
    text_column: TextName = None,
    answer_column: Annotated[
        str | None, typer.Option("--answer-column", metavar="NAME", help="Column of what was answered.")
    ] = None,
    time_column: Annotated[
        str | None, typer.Option("--time-column", metavar="NAME", help="Column of when it was answered.")
    ] = None,
    encoding: EncodingOption = None,
) -> None:
    """Take in answers given elsewhere: OpenAI's, Langfuse's or LiteLLM's export, JSON lines, CSV or a workbook.

    They are sampled, labelled and monitored like our own. The same file again adds nothing.
    """
    reply = send_file(
        terminal,
        file,
        f"{path_of(model)}/predictions/import",
        AnswersImported,
        version=version,
        partial=partial,
        text_column=text_column,
        label_column=answer_column,
        time_column=time_column,
        encoding=encoding,
    )
    terminal.show(reply, render_import)


@command(app, "spans")
def spans(
    terminal: Terminal,
    model: Model,
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="An OTLP request in JSON.")],
) -> None:
    """Post spans that a collector wrote to a file, as an exporter posts them live."""
    reply = terminal.api.upload(
        f"{path_of(model)}/otlp/v1/traces", TracesTaken, iter([file.read_bytes()]), media_type="application/json"
    )
    terminal.show(reply, lambda taken: taken.partialSuccess.errorMessage or "taken")


def render_import(report: AnswersImported) -> Group:
    problems = [Text(plain(f"  line {each.line}: {each.message}"), "yellow") for each in report.problems]
    return stack(IMPORTED(report), *problems)


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
            ("From the log of", found.imported_from),
            ("Digest", short(found.digest)),
            ("Tokens", f"{found.prompt_tokens} read, {found.completion_tokens} written"),
            ("Took", f"{found.latency_ms:.0f} ms"),
            ("End user", found.end_user),
        ]
    )


IMPORTED = Facts[AnswersImported](
    ("Log", lambda it: it.source),
    ("Answers of", lambda it: f"v{it.version}"),
    ("Added", lambda it: it.added),
    ("There already", lambda it: it.known),
    ("Without confidence", lambda it: it.unsure),
    ("Too old to sample", lambda it: it.unwatched),
    ("No answers", lambda it: it.others),
    ("Rejected", lambda it: it.rejected),
    ("From", lambda it: it.first),
    ("To", lambda it: it.last),
)
PREDICTIONS = Rows[PredictionRead](
    whole("Answer's id", lambda it: it.id),
    whole("At", lambda it: it.at),
    text("Message", lambda it: last_message(it.messages)),
    text("Answer", lambda it: it.answer),
    right("Confidence", lambda it: number(it.confidence, ".2f")),
)

"""`tuneloop dataset`: examples in and out, and the snapshots made of them."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Annotated, Any, Literal
from uuid import UUID

import typer
from rich.console import Group
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from tuneloop.cli import figures
from tuneloop.cli.arguments import Model, Pool, read_model
from tuneloop.cli.http import CHUNK_BYTES, model_path
from tuneloop.cli.output import Output, last_message, right, stack, table, whole
from tuneloop.cli.quality import render_growth, render_ledger, render_lineage
from tuneloop.cli.wiring import Terminal, command
from tuneloop.registry.names import ModelName

app = typer.Typer(no_args_is_help=True, help="Examples: training, golden and rolling sets.")
snapshots = typer.Typer(no_args_is_help=True, help="Frozen, immutable sets of examples.")
app.add_typer(snapshots, name="snapshot")

POOLS: Sequence[Pool] = ("training", "golden", "rolling")
MEDIA_TYPES = {".csv": "text/csv", ".jsonl": "application/x-ndjson", ".ndjson": "application/x-ndjson"}
ExportFormat = Literal["chat", "prompt_completion", "text_label", "csv"]

ModelOption = Annotated[
    ModelName, typer.Option("--model", parser=read_model, metavar="CLIENT/MODEL", help="Such as acme/support.")
]
PoolOption = Annotated[Pool, typer.Option(help="What the examples are for.")]


@command(app, "import")
def import_file(
    terminal: Terminal,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="JSONL or CSV, by its ending.")
    ],
    model: ModelOption,
    pool: PoolOption,
    partial: Annotated[bool, typer.Option("--partial", help="Import the good rows of a file with bad ones.")] = False,
) -> None:
    """Import a file of examples. One bad row refuses the whole file, unless --partial."""
    media_type = MEDIA_TYPES.get(file.suffix.lower())
    if media_type is None:
        raise typer.BadParameter(f"{file.name}: name the file .jsonl or .csv, as what it is")
    query = {"pool": pool, "partial": str(partial).lower()}
    with file.open("rb") as opened:
        chunks = _progress(terminal.out, opened, file)
        reply = terminal.api.upload(_path(model), chunks, media_type=media_type, **query)
    terminal.out.show(reply, lambda report: render_import(report, pool))


@command(app, "export")
def export(
    terminal: Terminal,
    model: ModelOption,
    pool: PoolOption,
    file_format: Annotated[
        ExportFormat, typer.Option("--format", help="All but chat hold single questions only.")
    ] = "chat",
    to: Annotated[
        Path | None, typer.Option("--to", dir_okay=False, help="File to write; stdout when left out.")
    ] = None,
) -> None:
    """Write a pool as a file that can be imported again."""
    partial = to.with_name(f"{to.name}.partial") if to else None
    with ExitStack() as stack:
        response = stack.enter_context(terminal.api.download(f"{_path(model)}/export", pool=pool, format=file_format))
        out: IO[bytes] = stack.enter_context(partial.open("wb")) if partial else sys.stdout.buffer
        for chunk in response.iter_bytes(CHUNK_BYTES):
            out.write(chunk)
        out.flush()
    if partial and to:
        partial.replace(to)
        terminal.out.note(f"wrote {to}")


@command(app, "list")
def index(
    terminal: Terminal,
    model: Model,
    pool: Annotated[Pool | None, typer.Option(help="Only this pool.")] = None,
    category: Annotated[str | None, typer.Option(help="Only this category.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    after: Annotated[UUID | None, typer.Option(metavar="ID", help="The page after this one.")] = None,
) -> None:
    """Examples, oldest first."""
    query = {"pool": pool, "category": category, "limit": limit, "after": after}
    terminal.out.show(terminal.api.get(_path(model), **query), render_page)


@command(app, "counts")
def counts(terminal: Terminal, model: Model) -> None:
    """Examples per category and pool."""
    terminal.out.show(terminal.api.get(f"{_path(model)}/counts"), render_counts)


@command(app, "delete")
def delete(
    terminal: Terminal,
    model: Model,
    example: Annotated[UUID, typer.Argument(metavar="EXAMPLE", help="The example's id.")],
) -> None:
    """Take an example's text away for good, and name the versions that learned from it."""
    terminal.out.show(terminal.api.delete(f"{_path(model)}/{example}"), render_deletion)


@command(app, "retire")
def retire(
    terminal: Terminal,
    model: Model,
    examples: Annotated[list[UUID], typer.Argument(metavar="EXAMPLE...", help="Ids of rolling examples.")],
) -> None:
    """Move rolling examples to training: they stop measuring and may be learned from."""
    reply = terminal.api.post(f"{_path(model)}/retire", {"example_ids": [str(each) for each in examples]})
    terminal.out.show(reply, lambda moved: f"{len(moved)} examples are in the training pool")


@command(app, "growth")
def growth(terminal: Terminal, model: Model) -> None:
    """Training data by source and month, against the guide."""
    terminal.out.show(terminal.api.get(f"{model_path(model.client, model.model)}/growth"), render_growth)


@command(app, "ledger")
def ledger(terminal: Terminal, model: Model) -> None:
    """Every move of an example into, between and out of the sets, newest first."""
    terminal.out.show(terminal.api.get(f"{model_path(model.client, model.model)}/ledger"), render_ledger)


@command(app, "show")
def show(
    terminal: Terminal,
    model: Model,
    example: Annotated[UUID, typer.Argument(metavar="EXAMPLE", help="The example's id.")],
) -> None:
    """One example: where it comes from, who labelled it, and which versions learned from it."""
    terminal.out.show(terminal.api.get(f"{_path(model)}/{example}"), render_lineage)


@command(snapshots, "take")
def take(terminal: Terminal, model: ModelOption, pool: PoolOption) -> None:
    """Freeze what a pool holds now; the same content answers with the same snapshot."""
    reply = terminal.api.post(f"{model_path(model.client, model.model)}/snapshots", {"pool": pool})
    terminal.out.show(reply, lambda made: render_snapshots([made]))


@command(snapshots, "list")
def list_snapshots(terminal: Terminal, model: Model) -> None:
    """Snapshots of a model, newest first."""
    terminal.out.show(terminal.api.get(f"{model_path(model.client, model.model)}/snapshots"), render_snapshots)


def render_import(report: dict[str, Any], pool: str) -> Group:
    summary = f"{report['added']} examples added to the {pool} pool"
    known = f", {report['duplicates']} were there already" if report["duplicates"] else ""
    rejected = f", {report['rejected']} rejected" if report["rejected"] else ""
    problems = [Text(f"  line {each['line']}: {each['message']}", "yellow") for each in report["problems"]]
    return stack(Text(summary + known + rejected), *problems)


def render_page(page: dict[str, Any]) -> Group:
    listed = table(
        whole("Example"),
        whole("Pool"),
        "Category",
        "Message",
        "Answer",
        "Source",
        rows=[
            (
                each["id"],
                each["pool"],
                each["category"],
                last_message(each["messages"], limit=120),
                each["expected"] if each["expected"] != each["category"] else "",
                each["source"],
            )
            for each in page["items"]
        ],
    )
    return stack(listed, Text(f"More: --after {page['next']}", "dim") if page["next"] else None)


def render_counts(counted: Sequence[dict[str, Any]]) -> Table:
    found = {(each["category"], each["pool"]): each["n"] for each in counted}
    categories = sorted({each["category"] for each in counted})
    totals = {pool: sum(found.get((category, pool), 0) for category in categories) for pool in POOLS}
    made = table(
        "Category",
        *(right(pool.capitalize()) for pool in POOLS),
        rows=[(category, *(found.get((category, pool), 0) for pool in POOLS)) for category in categories],
    )
    made.add_section()
    made.add_row("all", *(str(totals[pool]) for pool in POOLS), style="bold")
    return made


def render_deletion(deleted: dict[str, Any]) -> Group:
    saw = deleted["seen_by_versions"]
    advice = "they keep what they learned until they are retrained" if saw else "no version learned from it"
    return stack(Text(f"example {deleted['id']} is deleted; {advice}"), *(Text(f"  {name}") for name in saw))


def render_snapshots(found: Sequence[dict[str, Any]]) -> Table:
    return table(
        whole("Snapshot"),
        whole("Pool"),
        right("Examples"),
        whole("Digest"),
        whole("Made"),
        rows=[
            (
                each["id"],
                each["pool"],
                each["size"],
                figures.digest(each["digest"]),
                figures.moment(each["created_at"]),
            )
            for each in found
        ],
    )


def _path(model: ModelName) -> str:
    return f"{model_path(model.client, model.model)}/examples"


def _progress(out: Output, opened: IO[bytes], file: Path) -> Iterator[bytes]:
    """The file in chunks, with a bar on the terminal."""
    columns = TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn()
    with Progress(*columns, console=out.notes, disable=out.json or not out.notes.is_terminal, transient=True) as bars:
        bar = bars.add_task(f"sending {file.name}", total=file.stat().st_size)
        while chunk := opened.read(CHUNK_BYTES):
            yield chunk
            bars.advance(bar, len(chunk))

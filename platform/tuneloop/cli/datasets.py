"""`tuneloop dataset`: examples in and out, and the snapshots made of them."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Annotated
from uuid import UUID

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from tuneloop.cli.arguments import Model, path_of, read_model
from tuneloop.cli.file_options import File, FileChoice, send_file, takes_choice
from tuneloop.cli.preview_view import render_preview
from tuneloop.cli.render import Facts, Rows, last_message, page, plain, right, short, stack, text, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.datasets.quality_schemas import GrowthRead, LineageRead, MonthRead, MoveRead
from tuneloop.datasets.row import ExportFormat
from tuneloop.datasets.schemas import (
    CountRead,
    DeletionRead,
    ExamplePage,
    ExampleRead,
    ImportRead,
    PreviewRead,
    SnapshotRead,
)
from tuneloop.kit.api_client import CHUNK_BYTES
from tuneloop.registry.names import ModelName
from tuneloop.tables import Pool

app = typer.Typer()
snapshots = typer.Typer(no_args_is_help=True, help="Frozen, immutable sets of examples.")
app.add_typer(snapshots, name="snapshot")

ModelOption = Annotated[
    ModelName, typer.Option("--model", parser=read_model, metavar="CLIENT/MODEL", help="Such as acme/support.")
]
PoolOption = Annotated[Pool, typer.Option(help="What the examples are for.")]


@command(app, "import")
@takes_choice
def import_file(
    terminal: Terminal,
    file: File,
    model: ModelOption,
    pool: PoolOption,
    choice: FileChoice,
    partial: Annotated[bool, typer.Option("--partial", help="Import the good rows of a file with bad ones.")] = False,
    golden_share: Annotated[
        float, typer.Option(min=0, max=1, help="Of a file to train on, the share that measures instead; such as 0.33.")
    ] = 0.0,
) -> None:
    """Import a file of examples. One bad row refuses the whole file, unless --partial."""
    reply = send_file(
        terminal,
        file,
        _path(model),
        ImportRead,
        pool=pool,
        partial=partial,
        golden_share=golden_share,
        **choice.query(),
    )
    terminal.show(reply, lambda report: render_import(report, pool))


@command(app, "preview")
@takes_choice
def preview(
    terminal: Terminal,
    file: File,
    model: ModelOption,
    choice: FileChoice,
) -> None:
    """What a file is recognised as: its first rows, its problems and the labels that are not known."""
    reply = send_file(
        terminal,
        file,
        f"{_path(model)}/preview",
        PreviewRead,
        **choice.query(),
    )
    terminal.show(reply, render_preview)


@command(app, "export")
def export(
    terminal: Terminal,
    model: ModelOption,
    pool: PoolOption,
    file_format: Annotated[
        ExportFormat, typer.Option("--format", help="All but chat hold single questions only.")
    ] = ExportFormat.CHAT,
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
    terminal.show(terminal.api.get(_path(model), ExamplePage, **query), render_page)


@command(app, "counts")
def counts(terminal: Terminal, model: Model) -> None:
    """Examples per category and pool."""
    terminal.show(terminal.api.get(f"{_path(model)}/counts", list[CountRead]), render_counts)


@command(app, "delete")
def delete(
    terminal: Terminal,
    model: Model,
    example: Annotated[UUID, typer.Argument(metavar="EXAMPLE", help="The example's id.")],
) -> None:
    """Take an example's text away for good, and name the versions that learned from it."""
    terminal.show(terminal.api.delete(f"{_path(model)}/{example}", DeletionRead), render_deletion)


@command(app, "retire")
def retire(
    terminal: Terminal,
    model: Model,
    examples: Annotated[list[UUID], typer.Argument(metavar="EXAMPLE...", help="Ids of rolling examples.")],
) -> None:
    """Move rolling examples to training: they stop measuring and may be learned from."""
    body = {"example_ids": [str(each) for each in examples]}
    reply = terminal.api.post(f"{_path(model)}/retire", list[ExampleRead], body)
    terminal.show(reply, lambda moved: f"{len(moved)} examples are in the training pool")


@command(app, "growth")
def growth(terminal: Terminal, model: Model) -> None:
    """Training data by source and month, against the guide."""
    terminal.show(terminal.api.get(f"{path_of(model)}/growth", GrowthRead), render_growth)


@command(app, "ledger")
def ledger(terminal: Terminal, model: Model) -> None:
    """Every move of an example into, between and out of the sets, newest first."""
    terminal.show(terminal.api.get(f"{path_of(model)}/ledger", list[MoveRead]), MOVES)


@command(app, "show")
def show(
    terminal: Terminal,
    model: Model,
    example: Annotated[UUID, typer.Argument(metavar="EXAMPLE", help="The example's id.")],
) -> None:
    """One example: where it comes from, who labelled it, and which versions learned from it."""
    terminal.show(terminal.api.get(f"{_path(model)}/{example}", LineageRead), render_lineage)


@command(snapshots, "take")
def take(terminal: Terminal, model: ModelOption, pool: PoolOption) -> None:
    """Freeze what a pool holds now; the same content answers with the same snapshot."""
    reply = terminal.api.post(f"{path_of(model)}/snapshots", SnapshotRead, {"pool": pool})
    terminal.show(reply, SNAPSHOTS.one)


@command(snapshots, "list")
def list_snapshots(terminal: Terminal, model: Model) -> None:
    """Snapshots of a model, newest first."""
    terminal.show(terminal.api.get(f"{path_of(model)}/snapshots", list[SnapshotRead]), SNAPSHOTS)


def render_import(report: ImportRead, pool: Pool) -> Group:
    golden = f" and {report.golden} to the golden one" if report.golden else ""
    summary = f"{report.added - report.golden} examples added to the {pool} pool{golden}"
    known = f", {report.duplicates} were there already" if report.duplicates else ""
    rejected = f", {report.rejected} rejected" if report.rejected else ""
    problems = [Text(plain(f"  line {each.line}: {each.message}"), "yellow") for each in report.problems]
    return stack(Text(summary + known + rejected), *problems)


def render_page(found: ExamplePage) -> Group:
    return page(EXAMPLES(found.items), option="--after", following=found.next)


def render_counts(counted: Sequence[CountRead]) -> Table:
    found = {(each.category, each.pool): each.n for each in counted}
    categories = sorted({each.category for each in counted})
    made = COUNTS((category, {pool: found.get((category, pool), 0) for pool in Pool}) for category in categories)
    made.add_section()
    totals = (sum(found.get((category, pool), 0) for category in categories) for pool in Pool)
    made.add_row("all", *map(str, totals), style="bold")
    return made


def render_deletion(deleted: DeletionRead) -> Group:
    saw = deleted.seen_by_versions
    advice = "they keep what they learned until they are retrained" if saw else "no version learned from it"
    return stack(Text(f"example {deleted.id} is deleted; {advice}"), *(Text(f"  {name}") for name in saw))


def render_growth(grown: GrowthRead) -> Group:
    return stack(GROWTH(grown), MONTHS(grown.months))


def render_lineage(found: LineageRead) -> Group:
    return stack(LINEAGE(found), MOVES(found.moves) if found.moves else None)


def _path(model: ModelName) -> str:
    return f"{path_of(model)}/examples"


EXAMPLES = Rows[ExampleRead](
    whole("Example", lambda it: it.id),
    whole("Pool", lambda it: it.pool),
    text("Category", lambda it: it.category),
    text("Message", lambda it: last_message(it.messages, limit=120)),
    text("Answer", lambda it: it.expected if it.expected != it.category else ""),
    text("Source", lambda it: it.source),
)
COUNTS = Rows[tuple[str, dict[Pool, int]]](
    text("Category", lambda it: it[0]),
    right("Training", lambda it: it[1][Pool.TRAINING]),
    right("Golden", lambda it: it[1][Pool.GOLDEN]),
    right("Rolling", lambda it: it[1][Pool.ROLLING]),
)
SNAPSHOTS = Rows[SnapshotRead](
    whole("Snapshot", lambda it: it.id),
    whole("Pool", lambda it: it.pool),
    right("Examples", lambda it: it.size),
    whole("Digest", lambda it: short(it.digest)),
    whole("Made", lambda it: it.created_at),
)
GROWTH = Facts[GrowthRead](
    ("Examples", lambda it: it.total),
    ("Guide by now", lambda it: f"{it.guide.low}-{it.guide.high}"),
    ("Held back", lambda it: it.blocked),
    ("To be checked", lambda it: it.unchecked),
    ("", lambda it: it.advice),
)
MONTHS = Rows[MonthRead](
    whole("Month", lambda it: it.month),
    text("Added", lambda it: ", ".join(f"{n} {source}" for source, n in it.added.items())),
    right("Total", lambda it: it.total),
)
MOVES = Rows[MoveRead](
    whole("At", lambda it: it.at),
    text("By", lambda it: it.actor),
    whole("Example", lambda it: it.example_id or f"{it.n} imported"),
    text("From", lambda it: it.before or it.source),
    text("To", lambda it: it.after or "deleted"),
)
LINEAGE = Facts[LineageRead](
    ("Example", lambda it: it.example.id),
    ("Set", lambda it: it.example.pool),
    ("Message", lambda it: last_message(it.example.messages, limit=400)),
    ("Answer", lambda it: it.example.expected),
    ("Source", lambda it: it.example.source),
    ("Added by", lambda it: it.added_by),
    ("From answer", lambda it: it.completion),
    ("Asked because", lambda it: "; ".join(it.reasons)),
    ("Labels", lambda it: "; ".join(f"{each.labeller}: {each.expected}" for each in it.labels)),
    ("Seen by", lambda it: ", ".join(it.seen_by_versions) or "no version"),
)

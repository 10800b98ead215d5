"""`tuneloop work`: the time that people spend for clients."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table

from tuneloop.cli import figures
from tuneloop.cli.arguments import Activity
from tuneloop.cli.output import right, table, whole
from tuneloop.cli.wiring import Terminal, command

app = typer.Typer(no_args_is_help=True, help="Time spent for clients.")

Client = Annotated[str, typer.Argument(metavar="CLIENT", help="Short name, such as acme.")]
Entry = Annotated[str, typer.Argument(metavar="ENTRY", help="Its id; see 'tuneloop work list'.")]


@command(app, "list")
def index(
    terminal: Terminal,
    client: Client,
    month: Annotated[str | None, typer.Option(metavar="YYYY-MM", help="This month when left out.")] = None,
) -> None:
    """Time spent for a client in a month."""
    terminal.out.show(terminal.api.get(f"/clients/{client}/work", month=month), render_work)


@command(app, "add")
def add(
    terminal: Terminal,
    client: Client,
    activity: Activity,
    minutes: Annotated[int, typer.Argument(min=1)],
    note: Annotated[str, typer.Option(help="What it was.")] = "",
) -> None:
    """Write time down."""
    body = {"activity": activity, "minutes": minutes, "note": note}
    terminal.out.show(terminal.api.post(f"/clients/{client}/work", body), lambda one: render_work([one]))


@command(app, "beat")
def beat(terminal: Terminal, client: Client, activity: Activity) -> None:
    """Say that you work for a client now, as the pages do every half minute."""
    body = {"activity": activity}
    terminal.out.show(terminal.api.post(f"/clients/{client}/work/beat", body), lambda one: render_work([one]))


@command(app, "change")
def change(
    terminal: Terminal,
    entry: Entry,
    minutes: Annotated[int | None, typer.Option(min=1, help="How long it was.")] = None,
    activity: Annotated[Activity | None, typer.Option(help="What kind of work.")] = None,
    note: Annotated[str | None, typer.Option(help="What it was.")] = None,
) -> None:
    """Correct an entry."""
    body = {"minutes": minutes, "activity": activity, "note": note}
    terminal.out.show(terminal.api.patch(f"/work/{entry}", body), lambda one: render_work([one]))


@command(app, "remove")
def remove(terminal: Terminal, entry: Entry) -> None:
    """Take an entry out of the count."""
    terminal.out.show(terminal.api.delete(f"/work/{entry}"), lambda one: render_work([one]))


def render_work(entries: Sequence[dict[str, Any]]) -> Table:
    return table(
        whole("Entry"),
        "When",
        "Who",
        "Work",
        right("Time"),
        "Note",
        rows=[
            (
                each["id"],
                figures.moment(each["at"]),
                each["person"],
                each["activity"],
                figures.duration(each["seconds"]),
                each["note"],
            )
            for each in entries
        ],
    )

"""`tuneloop work`: the time that people spend for clients."""

from typing import Annotated

import typer

from tuneloop.cli.arguments import Client, MonthOption, given
from tuneloop.cli.render import Rows, right, text, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.kit import figures
from tuneloop.tables import Activity
from tuneloop_billing.usage.schemas import WorkRead

app = typer.Typer()

Entry = Annotated[str, typer.Argument(metavar="ENTRY", help="Its id; see 'tuneloop work list'.")]


@command(app, "list")
def index(terminal: Terminal, client: Client, month: MonthOption = None) -> None:
    """Time spent for a client in a month."""
    terminal.show(terminal.api.get(f"/clients/{client}/work", list[WorkRead], month=month), ENTRIES)


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
    terminal.show(terminal.api.post(f"/clients/{client}/work", WorkRead, body), ENTRIES.one)


@command(app, "beat")
def beat(terminal: Terminal, client: Client, activity: Activity) -> None:
    """Say that you work for a client now, as the pages do every half minute."""
    terminal.show(terminal.api.post(f"/clients/{client}/work/beat", WorkRead, {"activity": activity}), ENTRIES.one)


@command(app, "change")
def change(
    terminal: Terminal,
    entry: Entry,
    minutes: Annotated[int | None, typer.Option(min=1, help="How long it was.")] = None,
    activity: Annotated[Activity | None, typer.Option(help="What kind of work.")] = None,
    note: Annotated[str | None, typer.Option(help="What it was.")] = None,
) -> None:
    """Correct an entry."""
    body = given(minutes=minutes, activity=activity, note=note)
    terminal.show(terminal.api.patch(f"/work/{entry}", WorkRead, body), ENTRIES.one)


@command(app, "remove")
def remove(terminal: Terminal, entry: Entry) -> None:
    """Take an entry out of the count."""
    terminal.show(terminal.api.delete(f"/work/{entry}", WorkRead), ENTRIES.one)


ENTRIES = Rows[WorkRead](
    whole("Entry", lambda it: it.id),
    text("When", lambda it: it.at),
    text("Who", lambda it: it.person),
    text("Work", lambda it: it.activity),
    right("Time", lambda it: figures.duration(it.seconds)),
    text("Note", lambda it: it.note),
)

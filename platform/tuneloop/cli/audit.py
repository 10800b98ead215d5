"""`tuneloop audit`: who did what, when, from where."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table

from tuneloop.cli import figures
from tuneloop.cli.output import table, whole
from tuneloop.cli.wiring import Terminal, command

app = typer.Typer(no_args_is_help=True, help="The audit log: only ever added to.")


@command(app, "list")
def index(
    terminal: Terminal,
    subject_kind: Annotated[str | None, typer.Option(help="Such as cycle, model, client.")] = None,
    subject_id: Annotated[str | None, typer.Option(help="Id of the thing that was acted on.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """Newest events first."""
    found = terminal.api.get("/audit", subject_kind=subject_kind, subject_id=subject_id, limit=limit)
    terminal.out.show(found, render_events)


def render_events(events: Sequence[dict[str, Any]]) -> Table:
    return table(
        whole("At"),
        "Who",
        "From",
        whole("What"),
        "Details",
        rows=[
            (
                figures.moment(each["at"]),
                each["actor_name"],
                each["origin"],
                each["action"],
                ", ".join(f"{name}={_short(value)}" for name, value in each["detail"].items() if value is not None),
            )
            for each in events
        ],
    )


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}\u2026"

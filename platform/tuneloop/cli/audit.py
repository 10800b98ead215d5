"""`tuneloop audit`: who did what, when, from where."""

from typing import Annotated

import typer

from tuneloop.audit.schemas import AuditRead
from tuneloop.cli.render import Rows, text, whole
from tuneloop.cli.wiring import Terminal, command

app = typer.Typer()


@command(app, "list")
def index(
    terminal: Terminal,
    subject_kind: Annotated[str | None, typer.Option(help="Such as cycle, model, client.")] = None,
    subject_id: Annotated[str | None, typer.Option(help="Id of the thing that was acted on.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """Newest events first."""
    query = {"subject_kind": subject_kind, "subject_id": subject_id, "limit": limit}
    terminal.show(terminal.api.get("/audit", list[AuditRead], **query), EVENTS)


def _detail(event: AuditRead) -> str:
    return ", ".join(f"{name}={_short(str(value))}" for name, value in event.detail.items() if value is not None)


def _short(said: str) -> str:
    return said if len(said) <= 40 else f"{said[:37]}\u2026"


EVENTS = Rows[AuditRead](
    whole("At", lambda it: it.at),
    text("Who", lambda it: it.actor_name),
    text("From", lambda it: it.origin),
    whole("What", lambda it: it.action),
    text("Details", _detail),
)

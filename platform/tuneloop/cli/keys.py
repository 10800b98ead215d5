"""`tuneloop key`: API keys."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from tuneloop.cli import figures
from tuneloop.cli.arguments import Role
from tuneloop.cli.output import stack, table, whole
from tuneloop.cli.wiring import Terminal, command

app = typer.Typer(no_args_is_help=True, help="API keys, for the agency or confined to one client.")


@command(app, "add")
def add(
    terminal: Terminal,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the key is for.")],
    role: Annotated[Role, typer.Option(help="What the key may do.")] = "operator",
    client: Annotated[str | None, typer.Option(help="Confine the key to this client.")] = None,
) -> None:
    """Make an API key. It is shown once."""
    reply = terminal.api.post("/keys", {"name": name, "role": role, "client": client})
    terminal.out.show(reply, render_created)


@command(app, "list")
def index(terminal: Terminal) -> None:
    """API keys of your agency, without their secret part."""
    terminal.out.show(terminal.api.get("/keys"), render_keys)


@command(app, "revoke")
def revoke(terminal: Terminal, key: Annotated[UUID, typer.Argument(metavar="KEY", help="The key's id.")]) -> None:
    """Revoke a key; it stops working at once."""
    terminal.out.show(terminal.api.delete(f"/keys/{key}"), lambda _: f"key {key} is revoked")


def render_keys(keys: Sequence[dict[str, Any]]) -> Table:
    return table(
        whole("Key"),
        "Name",
        whole("Begins with"),
        whole("Role"),
        whole("Client"),
        "Revoked",
        rows=[
            (
                each["id"],
                each["name"],
                each["prefix"],
                each["role"],
                each["client"],
                figures.moment(each["revoked_at"]) if each["revoked_at"] else "",
            )
            for each in keys
        ],
    )


def render_created(key: dict[str, Any]) -> Group:
    return stack(Text(key["key"], "bold"), Text("This is the key. It is shown once: store it now.", "dim"))

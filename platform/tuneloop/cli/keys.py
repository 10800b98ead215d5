"""`tuneloop key`: API keys."""

from types import NoneType
from typing import Annotated
from uuid import UUID

import typer
from rich.text import Text

from tuneloop.cli.render import Rows, text, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.identity.schemas import ApiKeyCreated, ApiKeyRead
from tuneloop.kit.api_client import Reply
from tuneloop.kit.principal import Role

app = typer.Typer()


@command(app, "add")
def add(
    terminal: Terminal,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the key is for.")],
    role: Annotated[Role, typer.Option(help="What the key may do.")] = Role.VIEWER,
    client: Annotated[str | None, typer.Option(help="Confine the key to this client.")] = None,
    all_clients: Annotated[bool, typer.Option("--all-clients", help="Do not confine it.")] = False,
    inference: Annotated[bool, typer.Option("--inference", help="It only asks the client's models.")] = False,
    upload: Annotated[bool, typer.Option("--upload", help="It only imports data of the client.")] = False,
    days: Annotated[int | None, typer.Option(help="How long it works; for good if left out.", min=1)] = None,
) -> None:
    """Make an API key, for --client or --all-clients. It is shown once."""
    body = {
        "name": name,
        "role": role,
        "client": client,
        "all_clients": all_clients,
        "inference_only": inference,
        "upload_only": upload,
        "days": days,
    }
    reply = terminal.api.post("/keys", ApiKeyCreated, body)
    show_key(terminal, reply)


@command(app, "list")
def index(terminal: Terminal) -> None:
    """API keys of your agency, without their secret part."""
    terminal.show(terminal.api.get("/keys", list[ApiKeyRead]), KEYS)


@command(app, "rotate")
def rotate(
    terminal: Terminal,
    key: Annotated[UUID, typer.Argument(metavar="KEY", help="The key's id.")],
    grace: Annotated[int, typer.Option(min=0, help="Hours for which the old secret works beside the new one.")] = 24,
) -> None:
    """Give a key a new secret, which is shown once."""
    reply = terminal.api.post(f"/keys/{key}/rotate", ApiKeyCreated, {"grace_hours": grace})
    show_key(terminal, reply)


@command(app, "revoke")
def revoke(terminal: Terminal, key: Annotated[UUID, typer.Argument(metavar="KEY", help="The key's id.")]) -> None:
    """Revoke a key; it stops working at once."""
    terminal.show(terminal.api.delete(f"/keys/{key}", NoneType), lambda _: f"key {key} is revoked")


def show_key(terminal: Terminal, reply: Reply[ApiKeyCreated]) -> None:
    """The key alone on standard output, so that a script can take it."""
    terminal.show(reply, lambda key: Text(key.key, "bold", no_wrap=True))
    if not terminal.out.json:
        terminal.out.note("This is the key. It is shown once: store it now.")


KEYS = Rows[ApiKeyRead](
    whole("Key", lambda it: it.id),
    text("Name", lambda it: it.name),
    whole("Begins with", lambda it: it.prefix),
    whole("Role", lambda it: it.role),
    whole("Client", lambda it: it.client or "all"),
    text("For", lambda it: "inference" if it.inference_only else "import" if it.upload_only else "API"),
    text("Of", lambda it: it.owner or "nobody"),
    text("Last used", lambda it: f"{it.last_used_at} {it.last_used_from}" if it.last_used_at else "never"),
    text("Until", lambda it: it.expires_at or ""),
    text("Old secret until", lambda it: it.previous_until or ""),
    text("Revoked", lambda it: it.revoked_at or ""),
)

"""`tuneloop member`: people who work for the agency."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.table import Table

from tuneloop.cli.arguments import Role
from tuneloop.cli.output import table, whole
from tuneloop.cli.wiring import Terminal, command

app = typer.Typer(no_args_is_help=True, help="People who work for your agency, and their roles.")

Member = Annotated[UUID, typer.Argument(metavar="MEMBER", help="The person's id, as 'tuneloop member list' shows it.")]


@command(app, "add")
def add(
    terminal: Terminal,
    email: Annotated[str, typer.Argument(metavar="E-MAIL")],
    name: Annotated[str, typer.Option(help="The person's name.")],
    password: Annotated[
        str,
        typer.Option(
            prompt=True,
            confirmation_prompt=True,
            hide_input=True,
            envvar="TUNELOOP_PASSWORD",
            help="At least 12 characters; asked for when left out.",
        ),
    ],
    role: Annotated[Role, typer.Option(help="What the person may do.")] = "operator",
    client: Annotated[str | None, typer.Option(help="For a client viewer: the client.")] = None,
) -> None:
    """Add a person to your agency."""
    body = {"email": email, "name": name, "role": role, "password": password, "client": client}
    terminal.out.show(terminal.api.post("/members", body), lambda made: render_members([made]))


@command(app, "list")
def index(terminal: Terminal) -> None:
    """Members of your agency."""
    terminal.out.show(terminal.api.get("/members"), render_members)


@command(app, "role")
def role(terminal: Terminal, member: Member, role: Annotated[Role, typer.Argument(metavar="ROLE")]) -> None:
    """Give a member another role."""
    terminal.out.show(terminal.api.put(f"/members/{member}/role", {"role": role}), lambda made: render_members([made]))


@command(app, "remove")
def remove(terminal: Terminal, member: Member) -> None:
    """Remove a member; ends their sessions."""
    terminal.out.show(terminal.api.delete(f"/members/{member}"), lambda _: f"member {member} is removed")


def render_members(members: Sequence[dict[str, Any]]) -> Table:
    return table(
        whole("Member"),
        "E-mail",
        "Name",
        whole("Role"),
        whole("Client"),
        rows=[(each["user_id"], each["email"], each["name"], each["role"], each["client"]) for each in members],
    )

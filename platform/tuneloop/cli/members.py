"""`tuneloop member`: people who work for the agency."""

from types import NoneType
from typing import Annotated
from uuid import UUID

import typer

from tuneloop.cli.arguments import password_option
from tuneloop.cli.render import Rows, text, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.identity.schemas import MemberRead
from tuneloop.kit.principal import Role

app = typer.Typer()

Member = Annotated[UUID, typer.Argument(metavar="MEMBER", help="The person's id, as 'tuneloop member list' shows it.")]


@command(app, "add")
def add(
    terminal: Terminal,
    email: Annotated[str, typer.Argument(metavar="E-MAIL")],
    name: Annotated[str, typer.Option(help="The person's name.")],
    password: Annotated[str, password_option("At least 12 characters; asked for when left out.")],
    role: Annotated[Role, typer.Option(help="What the person may do.")] = Role.OPERATOR,
    client: Annotated[str | None, typer.Option(help="For a client viewer: the client.")] = None,
) -> None:
    """Add a person to your agency."""
    body = {"email": email, "name": name, "role": role, "password": password, "client": client}
    terminal.show(terminal.api.post("/members", MemberRead, body), MEMBERS.one)


@command(app, "list")
def index(terminal: Terminal) -> None:
    """Members of your agency."""
    terminal.show(terminal.api.get("/members", list[MemberRead]), MEMBERS)


@command(app, "role")
def role(terminal: Terminal, member: Member, role: Annotated[Role, typer.Argument(metavar="ROLE")]) -> None:
    """Give a member another role."""
    terminal.show(terminal.api.put(f"/members/{member}/role", MemberRead, {"role": role}), MEMBERS.one)


@command(app, "remove")
def remove(terminal: Terminal, member: Member) -> None:
    """Remove a member; ends their sessions."""
    terminal.show(terminal.api.delete(f"/members/{member}", NoneType), lambda _: f"member {member} is removed")


MEMBERS = Rows[MemberRead](
    whole("Member", lambda it: it.user_id),
    text("E-mail", lambda it: it.email),
    text("Name", lambda it: it.name),
    whole("Role", lambda it: it.role),
    whole("Client", lambda it: it.client),
)

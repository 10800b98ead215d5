"""`tuneloop identity-provider`: signing in through the agency's own OpenID Connect provider."""

import os
from types import NoneType
from typing import Annotated

import typer

from tuneloop.cli.arguments import given, pairs
from tuneloop.cli.render import Facts
from tuneloop.cli.wiring import Terminal, command
from tuneloop.people.oidc.schemas import ProviderRead

app = typer.Typer()

PATH = "/identity-provider"
SECRET = "OIDC_CLIENT_SECRET"  # noqa: S105  (the name of a variable)


@command(app, "show")
def show(terminal: Terminal) -> None:
    """Through which provider your people sign in."""
    terminal.show(terminal.api.get(PATH, ProviderRead), PROVIDER)


@command(app, "set")
def set_provider(
    terminal: Terminal,
    issuer: Annotated[str, typer.Argument(help="The provider's own name, such as https://login.example.com.")],
    client_id: Annotated[str, typer.Option(help="What the provider calls us.")],
    group: Annotated[list[str] | None, typer.Option(metavar="GROUP=ROLE", help="May be repeated.")] = None,
    groups_claim: Annotated[str | None, typer.Option(help="Where the provider says the groups.")] = None,
    only: Annotated[bool, typer.Option("--only", help="No passwords any more, but for yours in an emergency.")] = False,
) -> None:
    """Set the provider; its secret is read from OIDC_CLIENT_SECRET, and stays as it is without. Owners only."""
    roles = pairs(group) or None
    body = given(client_secret=os.environ.get(SECRET), groups_claim=groups_claim, roles=roles, only=only or None)
    terminal.show(terminal.api.put(PATH, ProviderRead, {"issuer": issuer, "client_id": client_id} | body), PROVIDER)


@command(app, "remove")
def remove(terminal: Terminal) -> None:
    """Sign people in by password again."""
    terminal.show(terminal.api.delete(PATH, NoneType), lambda _: "people sign in by password again")


PROVIDER = Facts[ProviderRead](
    ("Issuer", lambda it: it.issuer),
    ("Client id", lambda it: it.client_id),
    ("Comes back to", lambda it: it.redirect_uri),
    ("People begin at", lambda it: it.sign_in_url),
    ("Groups in", lambda it: it.groups_claim),
    ("Roles", lambda it: ", ".join(f"{group} = {role}" for group, role in it.roles.items()) or "by hand"),
    ("Passwords", lambda it: f"only {it.emergency_owner}'s" if it.only else "too"),
)

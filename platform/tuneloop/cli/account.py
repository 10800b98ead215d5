"""`tuneloop account`: where you are signed in, and your keys. You sign in for it: a key is nobody's account."""

from types import NoneType
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Group
from rich.text import Text

from tuneloop.cli.access import signed_in
from tuneloop.cli.render import Rows, stack, text, whole
from tuneloop.cli.wiring import Terminal, command
from tuneloop.identity.devices import device_name
from tuneloop.identity.schemas import AccountRead, OwnKeyRead, OwnSessionRead

app = typer.Typer()

EMail = Annotated[str, typer.Argument(metavar="E-MAIL", help="Your own address.")]
Agency = Annotated[str | None, typer.Option(help="One of yours, if you work for several.")]


@command(app, "show")
def show(terminal: Terminal, email: EMail, agency: Agency = None) -> None:
    """Where you are signed in, and the keys that you made."""
    with signed_in(terminal, email, agency) as (api, _, _):
        reply = api.get("/account", AccountRead)
    terminal.show(reply, render_account)


@command(app, "sign-out")
def sign_out(
    terminal: Terminal,
    email: EMail,
    agency: Agency = None,
    session: Annotated[UUID | None, typer.Option(help="This browser alone; everywhere when left out.")] = None,
) -> None:
    """Sign out everywhere, or one browser."""
    with signed_in(terminal, email, agency) as (api, proof, _):
        path = "/account/sessions" if session is None else f"/account/sessions/{session}"
        reply = api.delete(path, NoneType, headers=proof)
    terminal.show(reply, lambda _: "you are signed out everywhere" if session is None else "that browser is signed out")


def render_account(account: AccountRead) -> Group:
    return stack(Text(f"{account.name}, {account.email}"), SESSIONS(account.sessions), KEYS(account.keys))


SESSIONS = Rows[OwnSessionRead](
    whole("Session", lambda it: it.id),
    text("Device", lambda it: device_name(it.device)),
    whole("Agency", lambda it: it.agency),
    whole("Address", lambda it: it.address),
    whole("Last used", lambda it: it.last_used_at),
)
KEYS = Rows[OwnKeyRead](
    whole("Key", lambda it: it.id),
    text("Name", lambda it: it.name),
    whole("Begins with", lambda it: it.prefix),
    whole("Role", lambda it: it.role),
    whole("Last used", lambda it: it.last_used_at),
)

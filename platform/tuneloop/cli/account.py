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
from tuneloop.people.schemas import AlertMailChoice, RecoveryCodes, SecondFactorBegun
from tuneloop.tables import AlertMail

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


@command(app, "alert-mail")
def alert_mail(
    terminal: Terminal,
    when: Annotated[AlertMail | None, typer.Argument(metavar="WHEN", help="What holds is shown when left out.")] = None,
) -> None:
    """Whether you, whose key this is, get alerts by mail: never, without_slack or always."""
    path = "/account/alert-mail"
    if when is None:
        reply = terminal.api.get(path, AlertMailChoice)
    else:
        reply = terminal.api.put(path, AlertMailChoice, {"when": when})
    terminal.show(reply, lambda it: f"alerts by mail: {it.when}")


@command(app, "second-factor")
def second_factor(terminal: Terminal, email: EMail, agency: Agency = None) -> None:
    """Set up a second factor: signing in then asks for a code of your authenticator app, too."""
    with signed_in(terminal, email, agency) as (api, proof, password):
        begun = api.post("/account/second-factor", SecondFactorBegun, {"password": password}, headers=proof).value
        terminal.out.note(f"Put this into your authenticator app: {begun.secret}\nor, as an address: {begun.address}")
        code = {"code": typer.prompt("The code that the app shows", err=True)}
        reply = api.post("/account/second-factor/confirm", RecoveryCodes, code, headers=proof)
    terminal.show(reply, render_codes)


@command(app, "recovery-codes")
def recovery_codes(terminal: Terminal, email: EMail, agency: Agency = None) -> None:
    """New recovery codes; those before open nothing any more."""
    with signed_in(terminal, email, agency) as (api, proof, password):
        reply = api.post("/account/second-factor/recovery-codes", RecoveryCodes, {"password": password}, headers=proof)
    terminal.show(reply, render_codes)


@command(app, "second-factor-off")
def second_factor_off(terminal: Terminal, email: EMail, agency: Agency = None) -> None:
    """Turn your second factor off: your password alone opens your account then."""
    with signed_in(terminal, email, agency) as (api, proof, password):
        reply = api.post("/account/second-factor/off", NoneType, {"password": password}, headers=proof)
    terminal.show(reply, lambda _: "your second factor is off")


def render_codes(made: RecoveryCodes) -> Group:
    kept = "Keep them: each opens your account once in place of a code of the app. They are not shown again."
    return stack(Text("\n".join(made.codes), "bold"), Text(kept, "dim"))


def render_account(account: AccountRead) -> Group:
    factor = f"on, {account.recovery_codes} recovery codes left" if account.second_factor else "off"
    return stack(
        Text(f"{account.name}, {account.email}; second factor {factor}"), SESSIONS(account.sessions), KEYS(account.keys)
    )


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

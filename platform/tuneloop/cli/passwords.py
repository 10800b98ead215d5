"""`tuneloop password`: your own password."""

from types import NoneType
from typing import Annotated

import typer

from tuneloop.cli.access import signed_in
from tuneloop.cli.arguments import password_option, token_of_link
from tuneloop.cli.wiring import Terminal, command

app = typer.Typer()

EMail = Annotated[str, typer.Argument(metavar="E-MAIL", help="Your own address.")]
NewPassword = Annotated[str, password_option("At least 12 characters; asked for when left out.")]


@command(app, "change")
def change(
    terminal: Terminal,
    email: EMail,
    password: NewPassword,
    agency: Annotated[str | None, typer.Option(help="One of yours, if you work for several.")] = None,
) -> None:
    """Change your password. You are signed out everywhere; API keys stay."""
    with signed_in(terminal, email, agency) as (api, proof, old):
        reply = api.put("/password", NoneType, {"old": old, "new": password}, headers=proof)
    terminal.show(reply, lambda _: "your password is changed, and you are signed out everywhere")


@command(app, "forgotten")
def forgotten(terminal: Terminal, email: EMail) -> None:
    """Get a mail with a link to choose a new password."""
    reply = terminal.api.post("/password/forgotten", NoneType, {"email": email})
    terminal.show(reply, lambda _: f"if {email} has an account, a mail with a link is on its way")


@command(app, "reset")
def reset(
    terminal: Terminal,
    link: Annotated[str, typer.Argument(metavar="LINK", help="The link from the mail.")],
    password: NewPassword,
) -> None:
    """Choose a new password, with the link from the mail. You are signed out everywhere."""
    body = {"token": token_of_link(link), "password": password}
    reply = terminal.api.post("/password/reset", NoneType, body)
    terminal.show(reply, lambda _: "your new password is set; sign in with it")

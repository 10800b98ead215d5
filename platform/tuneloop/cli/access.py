"""`tuneloop login` and `whoami`."""

import platform
from typing import Annotated, Any

import typer
from rich.table import Table

from tuneloop.cli.credentials import Credentials, find_target, save
from tuneloop.cli.http import Reply, connect
from tuneloop.cli.output import facts
from tuneloop.cli.wiring import ACCESS, Terminal, command

app = typer.Typer()


@command(app, "login", panel=ACCESS)
def login(
    terminal: Terminal,
    url: Annotated[str | None, typer.Option(help="The server, such as https://tuneloop.example.com.")] = None,
    key: Annotated[str | None, typer.Option(help="An API key; asked for when left out.")] = None,
    email: Annotated[str | None, typer.Option(help="Make a key by password instead; admins only.")] = None,
    agency: Annotated[str | None, typer.Option(help="With --email, for members of several agencies.")] = None,
) -> None:
    """Check an API key and keep it for the next commands, readable by you alone."""
    options = terminal.options
    target = find_target(options.data_dir, url=url or options.url, key=key or options.key).url
    if email is not None:
        chosen = _key_by_password(terminal, target, email, agency)
    else:
        chosen = key or options.key or typer.prompt("API key", hide_input=True)
    with connect(target, chosen, options.world.transport) as api:
        me = api.get("/session")
    path = save(options.data_dir, Credentials(url=target, key=chosen))
    terminal.out.show(me, render_me)
    terminal.out.note(f"kept in {path}")


@command(app, "whoami", panel=ACCESS)
def whoami(terminal: Terminal) -> None:
    """Who you are to the server, and what you may do."""
    terminal.out.show(terminal.api.get("/session"), render_me)


def render_me(me: dict[str, Any]) -> Table:
    return facts([("Name", me["name"]), ("Role", me["role"]), ("Agency", me["agency"]), ("Client", me["client"])])


def _key_by_password(terminal: Terminal, url: str, email: str, agency: str | None) -> str:
    """Sign in, make a key with the person's own role, sign out."""
    password = typer.prompt("Password", hide_input=True, err=True)
    with connect(url, None, terminal.options.world.transport) as api:
        signed_in = api.post("/session", {"email": email, "password": password, "agency": agency})
        proof = {"X-CSRF-Token": signed_in.value["csrf_token"]}
        try:
            role = api.get("/session").value["role"]
            made: Reply = api.post("/keys", {"name": f"cli on {platform.node()}", "role": role}, headers=proof)
        finally:
            api.delete("/session", headers=proof)
    return str(made.value["key"])

"""`tuneloop login` and `whoami`."""

import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import NoneType
from typing import Annotated, TypeVar

import typer

from tuneloop.cli.credentials import Credentials, find_target, save
from tuneloop.cli.render import Facts
from tuneloop.cli.wiring import ACCESS, Terminal, command
from tuneloop.identity.schemas import ApiKeyCreated, Me, SignedIn
from tuneloop.kit.api_client import Api, ApiError

app = typer.Typer()

T = TypeVar("T")
CODE_NEEDED = "second_factor_needed"


@command(app, "login", panel=ACCESS)
def login(
    terminal: Terminal,
    url: Annotated[str | None, typer.Option(help="The server, such as https://tuneloop.example.com.")] = None,
    key: Annotated[str | None, typer.Option(help="An API key; asked for when left out.")] = None,
    email: Annotated[str | None, typer.Option(help="Make a key by password instead; admins only.")] = None,
    agency: Annotated[str | None, typer.Option(help="With --email, for members of several agencies.")] = None,
) -> None:
    options = terminal.options
    target = find_target(options.data_dir, url=url or options.url, key=key or options.key).url
    if email is not None:
        chosen = _key_by_password(terminal, target, email, agency)
    else:
        chosen = key or options.key or typer.prompt("API key", hide_input=True)
    with options.world.connect(target, chosen) as api:
        me = api.get("/session", Me)
    path = save(options.data_dir, Credentials(url=target, key=chosen))
    terminal.show(me, ME)
    terminal.out.note(f"kept in {path}")


@command(app, "whoami", panel=ACCESS)
def whoami(terminal: Terminal) -> None:
    terminal.show(terminal.api.get("/session", Me), ME)


@contextmanager
def signed_in(
    terminal: Terminal, email: str, agency: str | None, *, url: str | None = None
) -> Iterator[tuple[Api, dict[str, str], str]]:
    """The API for somebody who signs in, the header that changes need, and the password that was typed; then out."""
    options = terminal.options
    target = url or find_target(options.data_dir, url=options.url, key=options.key).url
    password = typer.prompt("Password", hide_input=True, err=True)
    with options.world.connect(target, None) as api:
        body = {"email": email, "password": password, "agency": agency}
        opened = asking_code(lambda code: api.post("/session", SignedIn, body | code))
        proof = {"X-CSRF-Token": opened.value.csrf_token}
        try:
            yield api, proof, password
        finally:
            with suppress(ApiError):  # what was done may have ended the session already
                api.delete("/session", NoneType, headers=proof)


def asking_code(call: Callable[[dict[str, str]], T]) -> T:
    """What the call gives; with the code of the second factor, if the server asks for one."""
    try:
        return call({})
    except ApiError as refusal:
        if refusal.code != CODE_NEEDED:
            raise
    return call({"code": typer.prompt("Code of your authenticator app, or a recovery code", err=True)})


def _key_by_password(terminal: Terminal, url: str, email: str, agency: str | None) -> str:
    """Sign in, make a key with the person's own role, sign out."""
    with signed_in(terminal, email, agency, url=url) as (api, proof, _):
        role = api.get("/session", Me).value.role
        body = {"name": f"cli on {platform.node()}", "role": role, "all_clients": True}
        made = api.post("/keys", ApiKeyCreated, body, headers=proof)
    return made.value.key


ME = Facts[Me](
    ("Name", lambda it: it.name),
    ("Role", lambda it: it.role),
    ("Agency", lambda it: it.agency),
    ("Client", lambda it: it.client),
)

"""Makes functions into commands: each gets a Terminal, understands --json and ends with a documented exit code."""

import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import httpx
import typer

from tuneloop.cli.credentials import find_target
from tuneloop.cli.failure import Failure, of_domain_error
from tuneloop.cli.http import Api, connect
from tuneloop.cli.output import Output
from tuneloop.kit.errors import TuneloopError

Body = TypeVar("Body", bound=Callable[..., None])

THE_LOOP = "The loop"
OBJECTS = "What there is"
ACCESS = "Access"
PROCESSES = "An installation on this machine"

JSON = typer.Option("--json", help="Print the API's JSON and nothing else.")


@dataclass(frozen=True)
class World:
    """What lies outside the process: the network and the clock."""

    transport: httpx.BaseTransport | None = None
    wait: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Options:
    """What was said before the command's name."""

    world: World
    data_dir: Path
    url: str | None
    key: str | None
    json: bool


@dataclass(frozen=True)
class Terminal:
    """What a command works with."""

    options: Options
    api: Api
    out: Output

    def wait(self, seconds: float) -> None:
        self.options.world.wait(seconds)


def command(app: typer.Typer, name: str, *, panel: str | None = None) -> Callable[[Body], Body]:
    """Register `body(terminal, ...)` as a command of `app`, listed under `panel` in the help."""

    def register(body: Body) -> Body:
        app.command(name, rich_help_panel=panel)(_wired(body))
        return body

    return register


@contextmanager
def answering(out: Output) -> Iterator[None]:
    """The command line's edge: failures become a message and an exit code."""
    try:
        yield
    except TuneloopError as error:
        failure = of_domain_error(error)
    except Failure as raised:
        failure = raised
    else:
        return
    out.fail(failure)
    raise typer.Exit(failure.exit_code)


def _wired(body: Callable[..., None]) -> Callable[..., None]:
    def run(*, ctx: typer.Context, json: bool, **given: Any) -> None:
        options: Options = ctx.obj
        out = Output(json=json or options.json)
        with answering(out):
            target = find_target(options.data_dir, url=options.url, key=options.key)
            with connect(target.url, target.key, options.world.transport) as api:
                body(Terminal(options, api, out), **given)

    keyword = inspect.Parameter.KEYWORD_ONLY
    own = [parameter.replace(kind=keyword) for parameter in inspect.signature(body).parameters.values()][1:]
    flag = inspect.Parameter("json", keyword, default=False, annotation=Annotated[bool, JSON])
    context = inspect.Parameter("ctx", keyword, annotation=typer.Context)
    signature = inspect.Signature([context, *own, flag])
    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in signature.parameters.values()}
    run.__name__, run.__doc__ = body.__name__, body.__doc__
    return run

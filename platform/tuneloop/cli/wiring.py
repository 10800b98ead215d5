"""Makes functions into commands: each gets a Terminal, understands --json and ends with a documented exit code."""

import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, TypeVar

import httpx
import typer
from rich.console import RenderableType

from tuneloop.cli.credentials import find_target
from tuneloop.cli.failure import Failure, failure_of
from tuneloop.cli.output import Output
from tuneloop.kit.api_client import Api, ApiError, Reply, connect
from tuneloop.kit.errors import TuneloopError

Body = TypeVar("Body", bound=Callable[..., None])
T = TypeVar("T")

THE_LOOP = "The loop"
OBJECTS = "What there is"
ACCESS = "Access"
PROCESSES = "An installation on this machine"

USER_AGENT = f"tuneloop-cli/{version('tuneloop')}"
"""The audit log tells by it what the command line did."""

JSON = typer.Option("--json", help="Print the API's JSON and nothing else.")


@dataclass(frozen=True)
class World:
    """What lies outside the process: the network and the clock."""

    transport: httpx.BaseTransport | None = None
    wait: Callable[[float], None] = time.sleep

    def connect(self, url: str, key: str | None) -> AbstractContextManager[Api]:
        return connect(url, key, user_agent=USER_AGENT, transport=self.transport)


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

    def show(self, reply: Reply[T], render: Callable[[T], RenderableType]) -> None:
        self.out.show(reply, render)


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
    except (TuneloopError, ApiError) as error:
        failure = failure_of(error)
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
            with options.world.connect(target.url, target.key) as api:
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

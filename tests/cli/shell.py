"""The command line with the real application behind it, where the network would be."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import orjson
from litestar import Litestar
from litestar.testing import TestClient
from litestar.testing.transport import TestClientTransport
from typer.testing import CliRunner, Result

from tuneloop.cli.main import app as cli
from tuneloop.cli.wiring import World

URL = "http://tuneloop.test"


class Call(NamedTuple):
    method: str
    path: str
    headers: httpx.Headers
    status: int
    body: bytes


class Wire(httpx.BaseTransport):
    """Hands requests to the application and remembers them."""

    def __init__(self, http: TestClient[Litestar]) -> None:
        self._inner = TestClientTransport(http, raise_server_exceptions=False)
        self.calls: list[Call] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        headers = request.headers.copy()
        response = self._inner.handle_request(request)
        self.calls.append(Call(request.method, request.url.path, headers, response.status_code, response.read()))
        return response


def no_wait(_seconds: float) -> None:
    raise AssertionError("the command waits although nothing works")


@dataclass
class Shell:
    """`run` types a command; `wire.calls` are the requests it made."""

    wire: Wire
    key: str
    data_dir: Path
    columns: int = 100
    environment: dict[str, str] = field(default_factory=dict)

    def run(
        self, *words: object, typed: str = "", wait: Callable[[float], None] = no_wait, key: str | None = None
    ) -> Result:
        environment = {
            "COLUMNS": str(self.columns),
            "TUNELOOP_DATA_DIR": str(self.data_dir),
            "TUNELOOP_URL": URL,
            "TUNELOOP_API_KEY": self.key if key is None else key,
            "TZ": "UTC",
            **self.environment,
        }
        world = World(transport=self.wire, wait=wait)
        given = {name: value for name, value in environment.items() if value}
        return CliRunner().invoke(cli, [str(word) for word in words], input=typed, env=given, obj=world)

    def json(self, *words: object) -> Any:
        """What a command that succeeds answers with --json."""
        result = self.run(*words, "--json")
        assert result.exit_code == 0, result.output
        return orjson.loads(result.stdout)


def error_of(result: Result) -> dict[str, Any]:
    """The error that a command printed as JSON."""
    error: dict[str, Any] = orjson.loads(result.stderr)["error"]
    return error

"""What a stranger sends is not read: sizes, callers and speed are looked at before the body is."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from litestar import Litestar

from tests.api.routes import PRIVATE, Endpoint, missing
from tests.support.ports import on_free_ports
from tests.support.web_application import any_application
from tests.support.web_process import WebProcess, web_process
from tuneloop.kit.request_bodies import DEFAULT_BYTES, PUBLIC_BYTES
from tuneloop.kit.settings import Settings
from tuneloop_local.engines import EngineUrls

HUGE = 200 << 20
PIECE = b" " * (1 << 20)
ADDRESSES = ("/api/v1/session", "/sign-in", "/api/v1/clients", "/api/v1/models/acme/x/examples?pool=golden", "/members")


@pytest.fixture(scope="module")
def web(urls: EngineUrls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProcess]:
    folder: Path = tmp_path_factory.mktemp("web")
    settings = Settings(data_dir=folder, database_url=urls.database, broker_url=urls.broker, web_body_seconds=1)
    with web_process(on_free_ports(settings)) as running:
        yield running


@pytest.mark.parametrize("announced", [True, False])
def test_strangers_who_send_200_mb_fill_no_memory(web: WebProcess, announced: bool) -> None:
    with httpx.Client(base_url=web.url, trust_env=False, timeout=60) as http:
        http.post("/sign-in", data={"email": "a@b.example", "password": "x"})
        before = web.peak_bytes
        refused = [_send(http, address, announced=announced) for address in ADDRESSES * 4]
    assert web.peak_bytes - before < 32 << 20
    assert set(refused) <= {401, 413, None}
    assert set(refused) & {401, 413}


def test_an_announced_length_is_refused_before_the_body_is_sent(web: WebProcess) -> None:
    assert _answer(web, f"POST /api/v1/session HTTP/1.1\r\nContent-Length: {PUBLIC_BYTES + 1}\r\n") == 413
    assert _answer(web, f"POST /api/v1/clients HTTP/1.1\r\nContent-Length: {DEFAULT_BYTES + 1}\r\n") == 413
    assert _answer(web, "POST /api/v1/clients HTTP/1.1\r\nContent-Length: 5\r\n") == 401


@pytest.mark.parametrize("framing", ["Content-Length: 100", "Transfer-Encoding: chunked"])
def test_a_body_that_does_not_come_is_given_up(web: WebProcess, framing: str) -> None:
    assert _answer(web, f"POST /api/v1/session HTTP/1.1\r\n{framing}\r\n") == 408


@pytest.mark.parametrize("endpoint", [each for each in PRIVATE if each.method != "GET"], ids=str)
def test_who_calls_is_known_before_anything_of_the_body_is_read(endpoint: Endpoint, strangers: Litestar) -> None:
    assert asyncio.run(_status_without_body(strangers, endpoint)) in (401, 503)


@pytest.fixture(scope="module")
def strangers() -> Litestar:
    """Without a database: whoever brings no credentials is refused all the same."""
    return any_application()


def _send(http: httpx.Client, address: str, *, announced: bool) -> int | None:
    """The status; None where the connection was closed before the answer could be read."""
    headers = {"Content-Length": str(HUGE)} if announced else {}
    try:
        return http.post(address, content=(PIECE for _ in range(HUGE // len(PIECE))), headers=headers).status_code
    except httpx.TransportError:
        return None


def _answer(web: WebProcess, head: str) -> int:
    """The status that comes though no body is sent."""
    place = urlsplit(web.url)
    with socket.create_connection((place.hostname, place.port), timeout=30) as connection:
        connection.sendall(f"{head}Host: {place.netloc}\r\nContent-Type: application/json\r\n\r\n".encode())
        return int(connection.recv(64).split()[1])


async def _status_without_body(app: Litestar, endpoint: Endpoint) -> int:
    sent: list[dict[str, Any]] = []

    async def receive() -> Any:
        raise AssertionError("the body was read")

    async def send(event: Any) -> None:
        sent.append(event)

    path = endpoint.url(missing())
    await app(
        {  # type: ignore[arg-type]
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": endpoint.method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"pool=golden",
            "root_path": "",
            "headers": [(b"content-type", b"application/json"), (b"content-length", b"2")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "state": {},
        },
        receive,
        send,
    )
    return int(sent[0]["status"])

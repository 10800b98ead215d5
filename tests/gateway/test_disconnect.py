"""A client that leaves stops the engine's work; one that reads slowly does not hold its slot."""

import socket
from urllib.parse import urlsplit

import httpx
import orjson
import pytest

from tests.gateway.waiting import eventually
from tests.gateway.world import QUESTION, World
from tests.support.upstream import ScriptedEngine


def open_request(base_url: str, world: World, *, stream: bool) -> socket.socket:
    """A raw connection on which a chat request was sent."""
    body = orjson.dumps({"model": "acme/support", "messages": QUESTION, "stream": stream})
    address = urlsplit(base_url)
    connection = socket.create_connection((address.hostname or "", address.port or 0), timeout=20)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.key}\r\n"
    connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    return connection


@pytest.mark.parametrize("stream", [False, True])
def test_client_that_leaves_before_the_answer_cancels_the_engine(
    base_url: str, world: World, engine: ScriptedEngine, stream: bool
) -> None:
    engine.gate.clear()
    connection = open_request(base_url, world, stream=stream)
    engine.arrived.get(timeout=20)
    connection.close()
    assert engine.abandoned.wait(20)


def test_client_that_leaves_mid_stream_cancels_the_engine_and_is_not_logged(
    base_url: str, world: World, engine: ScriptedEngine, http: httpx.Client
) -> None:
    engine.answer, engine.gate_after = "one two three", 2
    engine.gate.clear()
    connection = open_request(base_url, world, stream=True)
    received = b""
    while b" two" not in received:
        received += connection.recv(4096)
    connection.close()
    assert engine.abandoned.wait(20)
    engine.gate.set()
    http.post("/v1/chat/completions", json={"model": "acme/support@v1.1", "messages": QUESTION})
    rows = eventually(lambda: world.predictions() or None)
    assert [row.digest for row in rows] == [world.v11.digest]


def test_answer_is_logged_although_the_client_never_reads_it(
    base_url: str, world: World, engine: ScriptedEngine
) -> None:
    engine.answer = " ".join(["word"] * 2_000)
    connection = open_request(base_url, world, stream=True)
    try:
        rows = eventually(lambda: world.predictions() or None)
    finally:
        connection.close()
    assert rows[0].completion_tokens == 2_000

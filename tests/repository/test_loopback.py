"""Tests stay on this machine."""

import asyncio
import socket
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from tests.support.loopback import BeyondLoopbackError

# Documentation's own addresses: nobody answers there, should the guard fail.
OUTSIDE = [(socket.AF_INET, ("192.0.2.1", 9)), (socket.AF_INET6, ("2001:db8::1", 9))]


@pytest.mark.parametrize(("family", "address"), OUTSIDE)
def test_no_socket_reaches_beyond_this_machine(family: socket.AddressFamily, address: tuple[str, int]) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as stream, pytest.raises(BeyondLoopbackError):
        stream.connect(address)
    with socket.socket(family, socket.SOCK_DGRAM) as datagrams, pytest.raises(BeyondLoopbackError):
        datagrams.sendto(b"?", address)


def test_no_client_gets_out_under_a_name() -> None:
    with pytest.raises(BeyondLoopbackError):
        httpx.get("http://tuneloop.example/", trust_env=False)
    with pytest.raises(BeyondLoopbackError):
        asyncio.run(asyncio.open_connection("tuneloop.example", 9))


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_loopback_stays_open(family: socket.AddressFamily, host: str) -> None:
    with (
        socket.create_server((host, 0), family=family) as server,
        socket.create_connection(server.getsockname()[:2]) as end,
    ):
        assert end.getpeername() == server.getsockname()


def test_unix_sockets_stay_open() -> None:
    with TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as end:
        path = str(Path(folder) / "s")
        server.bind(path)
        server.listen()
        end.connect(path)
        assert end.getpeername() == path

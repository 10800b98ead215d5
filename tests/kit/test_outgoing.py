"""What a tenant's URL may have us call, at entry and at connect."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest
from pydantic import ValidationError

from tests.support.dns import dns_server
from tuneloop.kit.client_address import networks
from tuneloop.kit.outgoing.clients import guarded_async_client, guarded_client
from tuneloop.kit.outgoing.guard import AddressRefused, Guard, HostNotFound
from tuneloop.kit.settings import Settings

pytestmark = pytest.mark.failure_case(24)

PUBLIC = "93.184.215.14"
LOOPBACK = networks("127.0.0.0/8")

INTERNAL = [
    "127.0.0.1",
    "127.1",
    "127.0.0.1.",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "192.88.99.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::]",
    "[fe80::1%25eth0]",
    "[fd00:ec2::254]",
    "[fec0::1]",
    "[ff02::1]",
    "[3fff::1]",
]


class Seen(BaseHTTPRequestHandler):
    """A server on this machine that nobody should have reached."""

    answer = b"secret"
    headers_out: dict[str, str] = {}
    status = 200
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(self.status)
        for name, value in self.headers_out.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: object) -> None:
        """Not onto the tests' output."""


@contextmanager
def web_server(**attributes: object) -> Iterator[tuple[str, list[str]]]:
    """Its port, and the paths it was asked for."""
    asked: list[str] = []
    handler = type("Handler", (Seen,), {"asked": asked, **attributes})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield str(server.server_address[1]), asked
        finally:
            server.shutdown()


@pytest.mark.parametrize("host", INTERNAL)
def test_no_internal_address_passes_in_any_form(host: str) -> None:
    with pytest.raises(AddressRefused):
        Guard().check(f"https://{host}/v1")
    with guarded_client(Guard()) as client, pytest.raises((AddressRefused, httpx.InvalidURL)):
        client.get(f"https://{host}/v1")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://93.184.215.14/",
        "ftp://93.184.215.14/",
        "93.184.215.14",
        "https://",
        "https://[::1",
        "https://user:pass@93.184.215.14/v1",
        "https://93.184.215.14/v1?api-version=1",
        "https://93.184.215.14/v1#a",
        "https://93.184.215.14:99999/v1",
        "https://93.184.215.14/v 1",
        "https://93.184.215.14\\@127.0.0.1/",
        "http://93.184.215.14/v1",
        f"https://93.184.215.14/{'a' * 2000}",
    ],
)
def test_only_whole_https_urls_pass(url: str) -> None:
    with pytest.raises(AddressRefused):
        Guard().check(url)


def test_public_addresses_pass() -> None:
    for host in (PUBLIC, "[2606:2800:21f:cb07:6820:80da:af6b:8b2c]", "[64:ff9b::5db8:d70e]", "[::ffff:93.184.215.14]"):
        assert Guard().check(f" https://{host}/v1/ ") == f"https://{host}/v1"


def test_what_an_installation_opens_passes_also_without_tls() -> None:
    guard = Guard.of(Settings(reachable_networks="127.0.0.0/8, 10.9.0.0/16"))
    assert guard.check("http://127.0.0.1:8000/v1") == "http://127.0.0.1:8000/v1"
    assert guard.check("http://10.9.1.1") == "http://10.9.1.1"
    for refused in ("http://10.8.1.1", f"http://{PUBLIC}", "http://[::1]"):
        with pytest.raises(AddressRefused):
            guard.check(refused)
    with pytest.raises(ValidationError):
        Settings(reachable_networks="everything")


def test_a_host_is_where_its_records_say() -> None:
    records = {
        "api.example": [PUBLIC],
        "inside.example": ["10.0.0.1"],
        "both.example": [PUBLIC, "127.0.0.1"],
        "six.example": ["::1"],
        "nowhere.example": [],
    }
    with dns_server({}, records) as dns:
        guard = Guard(dns_server=dns)
        assert guard.check("https://api.example/v1/") == "https://api.example/v1"
        for host in ("inside.example", "both.example", "six.example"):
            with pytest.raises(AddressRefused, match="private network"):
                guard.check(f"https://{host}")
        for host in ("unknown.example", "nowhere.example"):
            with pytest.raises(HostNotFound, match=f"no host {host}"):
                guard.check(f"https://{host}")


def test_a_name_that_moves_inside_after_it_was_checked_is_not_called() -> None:
    records = {"rebinding.example": [PUBLIC]}
    with dns_server({}, records) as dns, web_server() as (port, asked):
        guard = Guard(dns_server=dns)
        url = guard.check(f"https://rebinding.example:{port}/v1").replace("https", "http")
        records["rebinding.example"] = ["127.0.0.1"]
        with guarded_client(guard) as client, pytest.raises(AddressRefused):
            client.get(url)
        with pytest.raises(AddressRefused):
            asyncio.run(_get(guard, url))
        assert asked == []


def test_the_checked_address_is_the_one_connected_to() -> None:
    """Each call looks up once; a second answer would be a second chance."""
    records = {"client.example": ["127.0.0.1"]}
    with dns_server({}, records) as dns, web_server() as (port, asked):
        guard = Guard(opened=LOOPBACK, dns_server=dns)
        url = f"http://client.example:{port}/v1"
        with guarded_client(guard) as client:
            assert client.get(url).text == "secret"
        assert asyncio.run(_get(guard, url)).text == "secret"
        assert asked == ["/v1", "/v1"]


def test_redirects_are_not_followed() -> None:
    with web_server() as (inner, asked):
        headers = {"Location": f"http://127.0.0.1:{inner}/inside"}
        with web_server(status=307, headers_out=headers) as (port, _), guarded_client(Guard(opened=LOOPBACK)) as client:
            assert client.get(f"http://127.0.0.1:{port}").status_code == 307
        assert asked == []


def test_cookies_are_not_kept() -> None:
    with web_server(headers_out={"Set-Cookie": "a=b"}) as (port, _), guarded_client(Guard(opened=LOOPBACK)) as client:
        client.get(f"http://127.0.0.1:{port}")
        assert not client.cookies


def test_an_answer_has_an_end_in_bytes() -> None:
    guard = Guard(opened=LOOPBACK)
    with web_server(answer=b"x" * 2_000, headers_out={"Content-Encoding": "gzip"}) as (port, _):
        url = f"http://127.0.0.1:{port}"
        with guarded_client(guard, most_bytes=1_999) as client, pytest.raises(httpx.RemoteProtocolError):
            client.get(url)
        with pytest.raises(httpx.RemoteProtocolError):
            asyncio.run(_get(guard, url, most_bytes=1_999))
        with guarded_client(guard, most_bytes=2_000) as client:
            assert client.get(url).content == b"x" * 2_000


def test_an_answer_has_an_end_in_time_however_it_drips() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=_drip, args=(server,), daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with guarded_client(Guard(opened=LOOPBACK), seconds=0.3) as client, pytest.raises(httpx.TimeoutException):
            client.get(url)


def _drip(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while True:
                connection.sendall(b"a")
                time.sleep(0.02)
        except OSError:
            return


async def _get(guard: Guard, url: str, most_bytes: int = 1 << 20) -> httpx.Response:
    async with guarded_async_client(guard, limits=httpx.Limits(), most_bytes=most_bytes) as client:
        return await client.get(url)

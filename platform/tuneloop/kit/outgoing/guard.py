"""The one place that decides whether an address typed by a tenant may be called."""

import re
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from dns.exception import DNSException
from dns.resolver import NXDOMAIN, NoAnswer, Resolver

from tuneloop.kit.client_address import Network
from tuneloop.kit.errors import InvalidInput, Unavailable
from tuneloop.kit.outgoing.addresses import Address, is_reachable, literal
from tuneloop.kit.settings import Settings

PATIENCE_SECONDS = 5.0
LONGEST_URL = 2_000
_UNWRITTEN = re.compile(r"[\s\\\x00-\x1f\x7f]")
"""Characters that no URL has, and that readers of URLs disagree about."""


class AddressRefused(InvalidInput):
    """The URL leads somewhere that nobody may have us call."""

    code = "address_refused"
    transient = False


class HostNotFound(InvalidInput):
    """The DNS knows no such host."""

    code = "host_not_found"
    transient = False


class Guard:
    """Looks hosts up and lets only reachable addresses through.

    What was looked up is what must be connected to: a second look-up may say something else (DNS rebinding).
    """

    def __init__(self, *, opened: Sequence[Network] = (), dns_server: str = "") -> None:
        self._opened = tuple(opened)
        self._dns_server = dns_server

    @classmethod
    def of(cls, settings: Settings) -> "Guard":
        return cls(opened=settings.opened_networks, dns_server=settings.dns_server)

    def addresses(self, host: str, port: int) -> list[Address]:
        """Where a host is, in the order in which to try.

        Raises:
            AddressRefused: one of its addresses may not be called.
            HostNotFound: there is no such host. Unavailable: nobody can say.
        """
        written = literal(host)
        found = [written] if written is not None else self._look_up(host, port)
        if not all(is_reachable(address, self._opened) for address in found):
            raise AddressRefused(
                f"{host} leads into a private network, where nothing may be called from here; give a public address, "
                "or ask whoever runs this installation to open that network (TUNELOOP_REACHABLE_NETWORKS)",
                host=host,
            )
        return found

    def check(self, url: str) -> str:
        """The URL as it may be kept, without the slash at its end.

        Raises:
            AddressRefused: it is no address of a public web server.
            HostNotFound, Unavailable: as `addresses`.
        """
        url = url.strip()
        host, port, secure = _parts(url)
        addresses = self.addresses(host, port)
        if not secure and not all(any(address in network for network in self._opened) for address in addresses):
            raise AddressRefused("the URL must begin with https://, so that nobody reads the key on its way", host=host)
        return url.rstrip("/")

    def _look_up(self, host: str, port: int) -> list[Address]:
        return self._ask_server(host) if self._dns_server else _ask_machine(host, port)

    def _ask_server(self, host: str) -> list[Address]:
        resolver = Resolver(configure=False)
        address, _, port = self._dns_server.rpartition(":")
        resolver.nameservers, resolver.port = [address], int(port)
        try:
            answer = resolver.resolve_name(host, lifetime=PATIENCE_SECONDS)
        except (NXDOMAIN, NoAnswer) as error:
            raise _unknown(host) from error
        except DNSException as error:
            raise Unavailable(f"the DNS does not say where {host} is; try again shortly") from error
        return [found for each in answer.addresses() if (found := literal(each)) is not None]


def _ask_machine(host: str, port: int) -> list[Address]:
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
            raise Unavailable(f"the DNS does not say where {host} is; try again shortly") from error
        raise _unknown(host) from error
    return [found for answer in answers if (found := literal(str(answer[4][0]))) is not None]


def _unknown(host: str) -> HostNotFound:
    return HostNotFound(f"there is no host {host}; check the URL", host=host)


def _parts(url: str) -> tuple[str, int, bool]:
    """Host, port and whether it is encrypted."""
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError as error:
        raise AddressRefused(f"that is no URL: {error}") from error
    if split.scheme not in {"http", "https"} or not split.hostname or len(url) > LONGEST_URL or _UNWRITTEN.search(url):
        raise AddressRefused("give the whole URL, such as https://api.openai.com/v1")
    if split.username is not None or split.password is not None:
        raise AddressRefused("leave name and password out of the URL; a key has a field of its own")
    if split.query or split.fragment:
        raise AddressRefused("leave out what follows ? or # in the URL")
    secure = split.scheme == "https"
    return split.hostname, port or (443 if secure else 80), secure

"""No test reaches beyond this machine."""

import socket
import sys
from ipaddress import ip_address

_SENDING = ("socket.connect", "socket.sendto", "socket.sendmsg")
_LOOKING_UP = ("socket.getaddrinfo", "socket.gethostbyname")
_OWN_NAMES = ("localhost", b"localhost", socket.gethostname())
_UNSPECIFIED = (None, "", b"")


class BeyondLoopbackError(RuntimeError):
    """No OSError: code that copes with an unreachable server must not take it for one."""


def keep_to_loopback() -> None:
    """For this process, from now on; its children are free."""
    sys.addaudithook(_refuse_beyond)


def _refuse_beyond(event: str, arguments: tuple[object, ...]) -> None:
    if event in _SENDING:
        address = arguments[1]
        # A Unix socket's address is a path, a connected socket's None.
        if isinstance(address, tuple) and not _is_here(address[0]):
            raise BeyondLoopbackError(f"a test may not connect to {address}: give it a server on 127.0.0.1")
    elif event in _LOOKING_UP:
        host = arguments[0]
        if not (host in _UNSPECIFIED or _is_here(host) or _is_address(host)):
            raise BeyondLoopbackError(f"a test may not look up {host!r}: only this machine's names are known here")


def _is_here(host: object) -> bool:
    return host in _OWN_NAMES or (_is_address(host) and ip_address(str(host)).is_loopback)


def _is_address(host: object) -> bool:
    try:
        ip_address(str(host))
    except ValueError:
        return False
    return True

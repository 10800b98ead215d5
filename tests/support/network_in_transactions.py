"""No network while a transaction is open: whoever answers slowly would hold its locks and its connection.

What the product does is watched wherever tests run it: opening a connection, sending on one, looking a name up.
PostgreSQL itself is spoken to by libpq, past Python's sockets. A transaction is open from its first statement to its
end; it belongs to the call that opened it, or to the handler of the request, and includes what that calls in its
thread. What a test does in a session of its own is the test's business.
"""

import inspect
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import event
from sqlalchemy.orm import SessionTransaction

from tuneloop.kit.tenancy import TenantSession

_ROOT = Path(__file__).parents[2]
_TESTS = str(_ROOT / "tests")
_PRODUCT = tuple(str(_ROOT / part) for part in ("platform", "bot", "workers", "billing", "reports"))

FOUND: list[str] = []
"""What was seen since the last test, with the stack."""

_opened: WeakKeyDictionary[TenantSession, FrameType] = WeakKeyDictionary()
_open: WeakKeyDictionary[TenantSession, FrameType] = WeakKeyDictionary()


def watch_transactions() -> None:
    """For this process, from now on."""
    event.listen(TenantSession, "after_transaction_create", _remember_opener)
    event.listen(TenantSession, "after_begin", _begin)
    event.listen(TenantSession, "after_transaction_end", _end)
    sys.addaudithook(_look)
    socket.socket.send = _sending(socket.socket.send)  # type: ignore[method-assign]
    socket.socket.sendall = _sending(socket.socket.sendall)  # type: ignore[method-assign]


def _remember_opener(session: TenantSession, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        _opened[session] = next(frame for frame in _stack() if not _opens(frame))


def _begin(session: TenantSession, _transaction: object, _connection: object) -> None:
    opener = _opened.get(session)
    if session in _open or (opener is not None and _is_in(opener, _TESTS)):
        return
    if opener is None or not _is_in(opener, *_PRODUCT):  # a framework: the request's handler uses it
        opener = next((frame for frame in reversed(list(_stack())) if _is_in(frame, *_PRODUCT)), None)
    if opener is not None:
        _open[session] = opener


def _end(session: TenantSession, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        _opened.pop(session, None)
        _open.pop(session, None)


def _look(what: str, arguments: tuple[Any, ...]) -> None:
    if what in ("socket.connect", "socket.getaddrinfo") and _open:
        address = arguments[1] if what == "socket.connect" else arguments[0]
        if what == "socket.connect" or _is_name(address):
            _note(f"{what} {address!r}")


def _sending(send: Callable[..., Any]) -> Callable[..., Any]:
    def watched(self: socket.socket, *args: Any) -> Any:
        if _open and (peer := _peer(self)):
            _note(f"socket.send to {peer!r}")
        return send(self, *args)

    return watched


def _note(what: str) -> None:
    stack = set(_stack())
    if any(owner in stack for owner in list(_open.values())):
        FOUND.append(f"{what} while a transaction is open:\n{''.join(traceback.format_stack(sys._getframe(2)))}")


def _peer(end: socket.socket) -> object:
    """Empty for one of a pair, by which an event loop is woken up, and for one that is not connected any more."""
    try:
        return end.getpeername()
    except OSError:
        return ""


def _is_name(host: object) -> bool:
    try:
        ip_address(host.decode() if isinstance(host, bytes) else str(host))
    except ValueError:
        return host is not None
    return False


def _stack() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_in(frame: FrameType, *folders: str) -> bool:
    return frame.f_code.co_filename.startswith(folders)


def _is_generator(frame: FrameType) -> bool:
    return bool(frame.f_code.co_flags & inspect.CO_GENERATOR)


def _opens(frame: FrameType) -> bool:
    """Parts of opening a unit of work, which are over when it is open."""
    file = frame.f_code.co_filename
    return file == __file__ or _is_generator(frame) or "/sqlalchemy/" in file or file.endswith("/contextlib.py")

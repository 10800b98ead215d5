"""Connections to the very address that was checked, with an end to how long and how much the other side may send."""

import asyncio
import ssl
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpcore
from httpcore import SOCKET_OPTION, AsyncNetworkBackend, AsyncNetworkStream, NetworkBackend, NetworkStream

from tuneloop.kit.errors import Unavailable
from tuneloop.kit.outgoing.addresses import Address
from tuneloop.kit.outgoing.guard import Guard, HostNotFound

# A tenant's slow name server must not hold the threads that read the database.
_LOOKING_UP = ThreadPoolExecutor(max_workers=8, thread_name_prefix="outgoing-dns")


class GuardedBackend(NetworkBackend):
    """`seconds`: how long a connection may last altogether, however slowly it drips."""

    def __init__(self, guard: Guard, *, seconds: float) -> None:
        self._guard = guard
        self._seconds = seconds
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> NetworkStream:
        deadline = time.monotonic() + self._seconds
        try:
            addresses = self._guard.addresses(host, port)
        except (HostNotFound, Unavailable) as error:
            raise httpcore.ConnectError(str(error)) from error
        for last, address in _ending(addresses):
            try:
                stream = self._inner.connect_tcp(str(address), port, timeout, local_address, socket_options)
                return _Limited(stream, deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if last:
                    raise
        raise httpcore.ConnectError(f"{host} has no address")


class AsyncGuardedBackend(AsyncNetworkBackend):
    """The same for an event loop, whose caller sets the time."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                addresses = await loop.run_in_executor(_LOOKING_UP, self._guard.addresses, host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"the DNS does not say where {host} is") from error
        except (HostNotFound, Unavailable) as error:
            raise httpcore.ConnectError(str(error)) from error
        for last, address in _ending(addresses):
            try:
                return await self._inner.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if last:
                    raise
        raise httpcore.ConnectError(f"{host} has no address")


class _Limited(NetworkStream):
    """Reads and writes until its deadline (of the monotonic clock)."""

    def __init__(self, inner: NetworkStream, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> NetworkStream:
        left = self._left(timeout, httpcore.ConnectTimeout)
        return _Limited(self._inner.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def _left(self, timeout: float | None, over: type[httpcore.TimeoutException]) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise over("the other side took too long altogether")
        return left if timeout is None else min(left, timeout)


def _ending(addresses: list[Address]) -> list[tuple[bool, Address]]:
    """Each with whether it is the last."""
    return [(at == len(addresses), address) for at, address in enumerate(addresses, 1)]

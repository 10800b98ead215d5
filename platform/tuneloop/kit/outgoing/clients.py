"""HTTP clients for URLs that a tenant typed. Redirects are answers like others: they are not followed."""

import ssl
from collections.abc import AsyncIterator, Iterator
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpcore
import httpx

from tuneloop.kit.outgoing.connecting import AsyncGuardedBackend, GuardedBackend
from tuneloop.kit.outgoing.guard import Guard

TIMEOUT = httpx.Timeout(5.0)
SECONDS = 15.0
"""How long a call may last altogether."""

MOST_BYTES = 1 << 20
"""Of an answer."""

# Not compressed, so that the bytes counted are the bytes that somebody would have to hold.
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "Tuneloop"}
_ONE_CALL = httpx.Limits(max_connections=4, max_keepalive_connections=0)


def guarded_client(guard: Guard, *, seconds: float = SECONDS, most_bytes: int = MOST_BYTES) -> httpx.Client:
    """For services, jobs and commands. Calling raises AddressRefused too."""
    transport = _Transport(guard, seconds=seconds, most_bytes=most_bytes)
    return httpx.Client(transport=transport, timeout=TIMEOUT, headers=_HEADERS, cookies=_no_cookies(), trust_env=False)


def guarded_async_client(
    guard: Guard, *, timeout: httpx.Timeout = TIMEOUT, limits: httpx.Limits, most_bytes: int = MOST_BYTES
) -> httpx.AsyncClient:
    """For an event loop; the caller ends what takes too long altogether. Calling raises AddressRefused too."""
    transport = _AsyncTransport(guard, limits=limits, most_bytes=most_bytes)
    return httpx.AsyncClient(
        transport=transport, timeout=timeout, headers=_HEADERS, cookies=_no_cookies(), trust_env=False
    )


def _no_cookies() -> CookieJar:
    """What one tenant's server sets must not reach it with another's request."""
    return CookieJar(DefaultCookiePolicy(allowed_domains=()))


@cache
def _tls() -> ssl.SSLContext:
    """The usual authorities; reading them takes a while."""
    return httpx.create_ssl_context(trust_env=False)


class _Transport(httpx.HTTPTransport):
    def __init__(self, guard: Guard, *, seconds: float, most_bytes: int) -> None:
        context = _tls()
        super().__init__(verify=context, trust_env=False)
        # httpx has no parameter for the network backend.
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=_ONE_CALL.max_connections,
            max_keepalive_connections=_ONE_CALL.max_keepalive_connections,
            network_backend=GuardedBackend(guard, seconds=seconds),
        )
        self._most_bytes = most_bytes

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        assert isinstance(response.stream, httpx.SyncByteStream)
        response.stream = _Counted(response.stream, request, self._most_bytes)
        return _readable(response)


class _AsyncTransport(httpx.AsyncHTTPTransport):
    def __init__(self, guard: Guard, *, limits: httpx.Limits, most_bytes: int) -> None:
        context = _tls()
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=AsyncGuardedBackend(guard),
        )
        self._most_bytes = most_bytes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _AsyncCounted(response.stream, request, self._most_bytes)
        return _readable(response)


class _Counted(httpx.SyncByteStream):
    def __init__(self, inner: httpx.SyncByteStream, request: httpx.Request, most: int) -> None:
        self._inner = inner
        self._request = request
        self._left = most

    def __iter__(self) -> Iterator[bytes]:
        for part in self._inner:
            self._left -= len(part)
            if self._left < 0:
                raise _too_much(self._request)
            yield part

    def close(self) -> None:
        self._inner.close()


class _AsyncCounted(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, request: httpx.Request, most: int) -> None:
        self._inner = inner
        self._request = request
        self._left = most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._inner:
            self._left -= len(part)
            if self._left < 0:
                raise _too_much(self._request)
            yield part

    async def aclose(self) -> None:
        await self._inner.aclose()


def _readable(response: httpx.Response) -> httpx.Response:
    """What was compressed although we asked for plain bytes is left as it is: a small file may unpack to gigabytes."""
    response.headers.pop("Content-Encoding", None)
    return response


def _too_much(request: httpx.Request) -> httpx.RemoteProtocolError:
    return httpx.RemoteProtocolError("the other side sends more than an answer may be long", request=request)

"""How much a request may send, and how fast it must: decided before any of it is read."""

import asyncio
import time
from typing import Any, Final, cast

from litestar.datastructures import Headers
from litestar.enums import ScopeType
from litestar.handlers import HTTPRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Empty, HTTPReceiveMessage, Receive, Scope, Send

from tuneloop.kit.errors import InvalidInput, TooLarge, TooSlow

DEFAULT_BYTES: Final = 1 << 20
PUBLIC_BYTES: Final = 1 << 16
LEAST_BYTES_PER_SECOND: Final = 16 * 1024


class RequestBodies(ASGIMiddleware):
    """Refuses a body that is larger than its route takes, or that comes too slowly.

    A route takes `DEFAULT_BYTES`, one that anybody may call `PUBLIC_BYTES`, and others what they name in
    `request_max_body_size`; None means that the handler counts for itself. A sender has `seconds`, and a second more
    for every `LEAST_BYTES_PER_SECOND` that came.

    Raises:
        TooLarge, TooSlow: to whoever reads the body; an announced length that is too large, before anybody reads.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        limit = bytes_of(cast("HTTPRouteHandler", scope["route_handler"]))
        _refuse_announced(scope, limit)
        size, complete, began = 0, False, 0.0

        async def received() -> Any:
            nonlocal size, complete, began
            if complete:
                return await receive()
            began = began or time.monotonic()
            over = began + self._seconds + size / LEAST_BYTES_PER_SECOND
            try:
                async with asyncio.timeout(over - time.monotonic()):
                    event = cast("HTTPReceiveMessage", await receive())
            except TimeoutError:
                raise TooSlow("the request came too slowly and was given up; send it again") from None
            if event["type"] == "http.request":
                size += len(event["body"])
                complete = not event.get("more_body", False)
                if limit is not None and size > limit:
                    raise _too_large(limit)
            return event

        await next_app(scope, received, send)


def bytes_of(handler: HTTPRouteHandler) -> int | None:
    """The largest body that a route takes."""
    if "public" in handler.opt and handler.request_max_body_size is Empty:
        return PUBLIC_BYTES
    limit = handler.resolve_request_max_body_size()
    return limit if isinstance(limit, int) else None


def _refuse_announced(scope: Scope, limit: int | None) -> None:
    announced = Headers.from_scope(scope).get("content-length")
    if announced is None or limit is None:
        return
    if not (announced.isascii() and announced.isdigit()):
        raise InvalidInput("the Content-Length header is not a number")
    if int(announced) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the request is larger than {limit >> 10} KiB, which is all that this address takes", limit=limit)

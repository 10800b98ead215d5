"""Between engine and client: a client that leaves stops the engine, a client that reads slowly does not hold it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from typing import Any, TypeVar

from tuneloop.gateway.errors import InvalidRequest
from tuneloop.gateway.responses import failure
from tuneloop.kit.errors import TuneloopError
from tuneloop.kit.http import AnyRequest

T = TypeVar("T")


class ClientGone(InvalidRequest):
    """Nobody reads this answer any more."""

    code = "client_closed_request"


async def while_connected(request: AnyRequest, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled when the client disconnects.

    Raises:
        ClientGone: the client disconnected first.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGone("the client closed the connection")
        return task.result()
    finally:
        await _stop(task)
        await _stop(gone)


class Relay:
    """Events of one answer, pulled at the engine's pace; the longest answer bounds what can wait here."""

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        self._waiting: asyncio.Queue[bytes | TuneloopError | None] = asyncio.Queue()
        self._pump = asyncio.ensure_future(self._pull(events))
        self._first: bytes | None = None

    async def begin(self) -> None:
        """Wait for the first event. Raises what the engine raised instead."""
        item = await self._waiting.get()
        if isinstance(item, TuneloopError):
            raise item
        if item is None:
            await self._pump
        self._first = item

    async def __aiter__(self) -> AsyncIterator[bytes]:
        item: bytes | TuneloopError | None = self._first
        while item is not None:
            yield failure(item) if isinstance(item, TuneloopError) else item
            item = await self._waiting.get()

    async def close(self) -> None:
        await _stop(self._pump)

    async def _pull(self, events: AsyncGenerator[bytes, None]) -> None:
        try:
            async for event in events:
                self._waiting.put_nowait(event)
        except TuneloopError as error:
            self._waiting.put_nowait(error)
        finally:
            self._waiting.put_nowait(None)
            await events.aclose()


async def _disconnected(request: AnyRequest) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _stop(task: asyncio.Future[Any]) -> None:
    """Cancel and wait until the task has cleaned up; its result or error is somebody else's business."""
    task.cancel()
    await asyncio.wait((task,))

"""Who waits and who goes first: engine slots handed round-robin to agencies, with a bound on each agency's queue."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from tuneloop.gateway.errors import Busy, EngineUnavailable
from tuneloop.gateway.metrics import IN_FLIGHT, WAITING


class Admission:
    """`slots`: requests at the engines at once. `per_agency`, `total`: requests in flight or waiting."""

    def __init__(self, *, slots: int = 64, per_agency: int = 96, total: int = 1024) -> None:
        self._free = slots
        self._per_agency = per_agency
        self._total = total
        self._inside: Counter[UUID] = Counter()
        self._queues: OrderedDict[UUID, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def slot(self, agency_id: UUID) -> AsyncIterator[None]:
        """Hold an engine slot, after waiting for the agency's turn.

        Raises:
            Busy: the agency has its share in flight already.
            EngineUnavailable: too many requests wait altogether.
        """
        if self._inside[agency_id] >= self._per_agency:
            raise Busy(f"more than {self._per_agency} requests of your agency are in flight", retry_after_seconds=1)
        if self._inside.total() >= self._total:
            raise EngineUnavailable("too many requests are waiting; try again shortly", retry_after_seconds=2)
        self._inside[agency_id] += 1
        try:
            await self._acquire(agency_id)
            with IN_FLIGHT.track_inprogress():
                try:
                    yield
                finally:
                    self._release()
        finally:
            self._inside[agency_id] -= 1
            if not self._inside[agency_id]:
                del self._inside[agency_id]

    async def _acquire(self, agency_id: UUID) -> None:
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(agency_id, deque()).append(turn)
        with WAITING.track_inprogress():
            try:
                await turn
            except asyncio.CancelledError:
                if turn.cancelled():
                    self._leave(agency_id, turn)
                else:
                    self._release()
                raise

    def _release(self) -> None:
        """Give the slot to the next agency in turn."""
        while self._queues:
            agency_id, queue = self._queues.popitem(last=False)
            turn = queue.popleft()
            if queue:
                self._queues[agency_id] = queue
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _leave(self, agency_id: UUID, turn: asyncio.Future[None]) -> None:
        queue = self._queues.get(agency_id)
        if queue is not None and turn in queue:
            queue.remove(turn)
            if not queue:
                del self._queues[agency_id]

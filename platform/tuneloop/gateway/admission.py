"""Who waits and who goes first: an engine's slots are shared among the agencies that ask, and their queues bounded."""

import asyncio
import time
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from tuneloop.gateway.errors import Busy, EngineUnavailable
from tuneloop.gateway.metrics import IN_FLIGHT, WAITING

ASKING_SECONDS = 5.0
"""For so long after its last request an agency's share is kept free for its next one."""
LOCAL_SLOTS = 24
"""Half as many again as our serving host works on at once: it never waits for a request, and none for many others."""
SERVER_SLOTS = 256


class Admission:
    """`slots`: requests at the engine at once. `per_agency`, `total`: requests in flight or waiting.

    While several agencies ask, none holds more than its share of the slots, so that one that asks now and then finds a
    slot free, and little before it in the engine; by itself an agency may hold all of them.
    """

    def __init__(
        self,
        *,
        slots: int = 64,
        per_agency: int = 96,
        total: int = 1024,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._slots = slots
        self._per_agency = per_agency
        self._total = total
        self._inside: Counter[UUID] = Counter()
        self._held: Counter[UUID] = Counter()
        self._spare: set[asyncio.Task[Any]] = set()
        self._asked: OrderedDict[UUID, float] = OrderedDict()
        self._queues: OrderedDict[UUID, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def slot(self, agency_id: UUID) -> AsyncIterator[None]:
        """Hold an engine slot, after waiting for the agency's turn.

        Raises:
            Busy: the agency has as many requests in flight as it may.
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
                    self._release(agency_id)
        finally:
            _count_down(self._inside, agency_id)

    @asynccontextmanager
    async def spare(self) -> AsyncIterator[None]:
        """Work beside the slots that nobody waits for; its task is cancelled once half of them are taken.

        Raises:
            Busy: they are.
        """
        task = asyncio.current_task()
        if task is None or not self._half_idle:
            raise Busy("the engine has work enough", retry_after_seconds=1)
        self._spare.add(task)
        try:
            yield
        finally:
            self._spare.discard(task)

    @property
    def _half_idle(self) -> bool:
        return not self._queues and self._held.total() <= self._slots // 2

    async def _acquire(self, agency_id: UUID) -> None:
        self._note(agency_id)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(agency_id, deque()).append(turn)
        self._hand_out()
        if not self._half_idle:
            for task in self._spare:
                task.cancel()
        if turn.done():
            return
        with WAITING.track_inprogress():
            try:
                await turn
            except asyncio.CancelledError:
                if turn.cancelled():
                    self._leave(agency_id, turn)
                else:
                    self._release(agency_id)
                raise

    def _release(self, agency_id: UUID) -> None:
        self._note(agency_id)
        _count_down(self._held, agency_id)
        self._hand_out()

    def _hand_out(self) -> None:
        """Free slots go round the agencies that wait and hold less than their share."""
        share = max(1, self._slots // max(1, len(self._asked)))
        while self._held.total() < self._slots:
            agency_id = next((each for each in self._queues if self._held[each] < share), None)
            if agency_id is None:
                return
            queue = self._queues.pop(agency_id)
            turn = queue.popleft()
            if queue:
                self._queues[agency_id] = queue
            if not turn.done():
                self._held[agency_id] += 1
                turn.set_result(None)

    def _note(self, agency_id: UUID) -> None:
        """It asks; who has not for a while does no more."""
        at = self._clock()
        self._asked[agency_id] = at
        self._asked.move_to_end(agency_id)
        while at - next(iter(self._asked.values())) > ASKING_SECONDS:
            self._asked.popitem(last=False)

    def _leave(self, agency_id: UUID, turn: asyncio.Future[None]) -> None:
        queue = self._queues.get(agency_id)
        if queue is not None and turn in queue:
            queue.remove(turn)
            if not queue:
                del self._queues[agency_id]


class Admissions:
    """One for our serving host and one for each server of bases: who waits for one of them waits for no other."""

    def __init__(self) -> None:
        self._local = Admission(slots=LOCAL_SLOTS)
        self._servers: dict[str, Admission] = {}

    def at(self, server: str | None) -> Admission:
        """Of a server by its address; None is our serving host."""
        if server is None:
            return self._local
        return self._servers.setdefault(server, Admission(slots=SERVER_SLOTS))


def _count_down(counter: Counter[UUID], agency_id: UUID) -> None:
    counter[agency_id] -= 1
    if not counter[agency_id]:
        del counter[agency_id]

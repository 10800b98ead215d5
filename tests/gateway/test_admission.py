"""Slots go round-robin to agencies, queues are bounded, and nothing leaks a slot."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any
from uuid import UUID

import pytest

from tuneloop.gateway.admission import ASKING_SECONDS, Admission
from tuneloop.gateway.errors import Busy, EngineUnavailable
from tuneloop.kit.ids import new_id

pytestmark = pytest.mark.failure_case(25)

LOUD, QUIET = new_id(), new_id()


def on_a_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    @wraps(test)
    def run() -> None:
        asyncio.run(test())

    return run


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Line:
    """Requests that hold their slot until told to leave; `served` is the order in which they got one."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission
        self.served: list[UUID] = []
        self.leave = asyncio.Semaphore(0)

    async def request(self, agency_id: UUID) -> None:
        async with self.admission.slot(agency_id):
            self.served.append(agency_id)
            await self.leave.acquire()

    def ask(self, agency_id: UUID, times: int) -> list[asyncio.Future[None]]:
        return [asyncio.ensure_future(self.request(agency_id)) for _ in range(times)]

    async def end(self, times: int) -> None:
        """So many of those that hold a slot, the first ones, leave it."""
        for _ in range(times):
            self.leave.release()
        await settle()


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


@on_a_loop
async def test_quiet_agency_does_not_wait_for_the_loud_ones_queue() -> None:
    line = Line(Admission(slots=1))
    tasks = [asyncio.ensure_future(line.request(LOUD)) for _ in range(5)]
    await settle()
    tasks += [asyncio.ensure_future(line.request(QUIET)) for _ in range(2)]
    for _ in tasks:
        await settle()
        line.leave.release()
    await asyncio.gather(*tasks)
    assert line.served == [LOUD, LOUD, QUIET, LOUD, QUIET, LOUD, LOUD]


@on_a_loop
async def test_agency_beyond_its_share_is_refused_and_others_are_not() -> None:
    line = Line(Admission(slots=1, per_agency=2))
    tasks = [asyncio.ensure_future(line.request(LOUD)) for _ in range(2)]
    await settle()
    with pytest.raises(Busy) as refused:
        await line.request(LOUD)
    assert refused.value.details["retry_after_seconds"] == 1
    tasks.append(asyncio.ensure_future(line.request(QUIET)))
    for _ in tasks:
        line.leave.release()
    await asyncio.gather(*tasks)
    assert line.served.count(QUIET) == 1


@on_a_loop
async def test_all_queues_together_are_bounded() -> None:
    line = Line(Admission(slots=1, total=1))
    task = asyncio.ensure_future(line.request(LOUD))
    await settle()
    with pytest.raises(EngineUnavailable):
        await line.request(QUIET)
    line.leave.release()
    await task


@on_a_loop
async def test_cancelled_requests_leave_no_slot_behind() -> None:
    line = Line(Admission(slots=1, per_agency=3))
    running, waiting, last = (asyncio.ensure_future(line.request(LOUD)) for _ in range(3))
    await settle()
    waiting.cancel()
    running.cancel()
    await settle()
    assert line.served == [LOUD, LOUD]
    last.cancel()
    await settle()
    line.leave.release()
    await line.request(QUIET)
    assert line.served[-1] == QUIET


@on_a_loop
async def test_slot_handed_to_a_request_that_is_cancelled_goes_on_to_the_next() -> None:
    line = Line(Admission(slots=1))
    running, unlucky, next_one = (asyncio.ensure_future(line.request(LOUD)) for _ in range(3))
    await settle()
    line.leave.release()
    await running
    unlucky.cancel()
    line.leave.release()
    await next_one
    assert line.served.count(LOUD) >= 2


@on_a_loop
async def test_one_agency_by_itself_may_hold_every_slot() -> None:
    line = Line(Admission(slots=4))
    tasks = line.ask(LOUD, 6)
    await settle()
    assert line.served == [LOUD] * 4
    await line.end(6)
    await asyncio.gather(*tasks)


@on_a_loop
async def test_while_two_ask_neither_holds_more_than_half() -> None:
    line = Line(Admission(slots=4))
    tasks = line.ask(LOUD, 12)
    await settle()
    tasks += line.ask(QUIET, 1)
    await line.end(1)
    assert line.served.count(QUIET) == 1, "the first slot that is free is the other one's"
    await line.end(3)
    assert line.served.count(LOUD) == 6, "of four that left, two came back"
    tasks += line.ask(QUIET, 1)
    await settle()
    assert line.served[-1] == QUIET, "a slot was kept free for it"
    await line.end(20)
    await asyncio.gather(*tasks)


@on_a_loop
async def test_an_agency_that_asks_no_more_gives_its_share_back() -> None:
    clock = Clock()
    line = Line(Admission(slots=4, clock=clock))
    tasks = line.ask(QUIET, 1)
    await settle()
    await line.end(1)
    tasks += line.ask(LOUD, 8)
    await settle()
    assert line.served.count(LOUD) == 2
    clock.now += ASKING_SECONDS + 1
    await line.end(1)
    assert line.served.count(LOUD) == 5, "one left, and all four slots are taken"
    await line.end(20)
    await asyncio.gather(*tasks)


@on_a_loop
async def test_with_more_agencies_than_slots_each_has_its_turn() -> None:
    line, many = Line(Admission(slots=2)), [new_id() for _ in range(5)]
    tasks = [task for agency_id in many * 2 for task in line.ask(agency_id, 1)]
    await settle()
    for _ in tasks:
        await line.end(1)
    await asyncio.gather(*tasks)
    assert set(line.served[:5]) == set(many)


@on_a_loop
async def test_work_that_nobody_waits_for_gets_what_is_idle_and_gives_it_back() -> None:
    admission = Admission(slots=4)
    line = Line(admission)
    inside = asyncio.Event()

    async def spare() -> None:
        async with admission.spare():
            inside.set()
            await asyncio.Event().wait()

    asked = line.ask(LOUD, 2)
    await settle()
    idle = asyncio.ensure_future(spare())
    await inside.wait()
    more = line.ask(QUIET, 1)
    await settle()
    assert idle.cancelled()
    assert len(line.served) == 3, "it waited for nothing"
    with pytest.raises(Busy):
        await spare()
    await line.end(3)
    await asyncio.gather(*asked, *more)

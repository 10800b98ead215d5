"""Slots go round-robin to agencies, queues are bounded, and nothing leaks a slot."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any
from uuid import UUID

import pytest

from tuneloop.gateway.admission import Admission
from tuneloop.gateway.errors import Busy, EngineUnavailable
from tuneloop.kit.ids import new_id

pytestmark = pytest.mark.failure_case(25)

LOUD, QUIET = new_id(), new_id()


def on_a_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    @wraps(test)
    def run() -> None:
        asyncio.run(test())

    return run


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

"""A candidate answers what production has answered just now; the caller has that answer and never sees this one.

Nothing here may cost an answer: few at once, only beside an engine that has slots to spare, dropped otherwise, and
stored only where production's answer is.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy import Integer, cast, extract, func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select

from tuneloop.gateway.admission import Admission
from tuneloop.gateway.engine import EngineReply
from tuneloop.gateway.errors import Busy
from tuneloop.gateway.metrics import SHADOWS
from tuneloop.gateway.prediction_logger import Recorder
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.errors import TuneloopError
from tuneloop.tables import Prediction, ShadowAnswer, ShadowState, ShadowTest

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 2
PAUSE_SECONDS = 60.0
"""A test that may ask no more for now, or has ended, is left alone for so long."""


@dataclass(frozen=True)
class ShadowQuestion:
    """`prediction_id`: production's answer."""

    shadow_test_id: UUID
    prediction_id: UUID
    agency_id: UUID
    client_id: UUID


class Shadows:
    """Lives on one event loop; the database is asked in threads."""

    def __init__(self, database: Database, recorder: Recorder) -> None:
        self._database = database
        self._recorder = recorder
        self._tasks: set[asyncio.Task[None]] = set()
        self._paused: dict[UUID, float] = {}

    def offer(self, question: ShadowQuestion, admission: Admission, ask: Callable[[], Awaitable[EngineReply]]) -> None:
        """Ask it beside the traffic if there is room just now; never waits."""
        if len(self._tasks) >= MOST_AT_ONCE or self._paused.get(question.shadow_test_id, 0.0) > time.monotonic():
            SHADOWS.labels("dropped").inc()
            return
        task = asyncio.create_task(self._answer(question, admission, ask))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def close(self) -> None:
        """Nobody waits for what is under way."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            SHADOWS.labels("dropped").inc()
        elif (error := task.exception()) is not None:
            SHADOWS.labels("failed").inc()
            log.error("shadow_answer_failed", exc_info=error)

    async def _answer(
        self, question: ShadowQuestion, admission: Admission, ask: Callable[[], Awaitable[EngineReply]]
    ) -> None:
        try:
            async with admission.spare():
                if not await asyncio.to_thread(_claim, self._database, question):
                    self._paused[question.shadow_test_id] = time.monotonic() + PAUSE_SECONDS
                    SHADOWS.labels("over_budget").inc()
                    return
                row = await _ask(question, ask)
            await self._recorder.flush()  # production's answer first: this one belongs to it
            await asyncio.to_thread(_store, self._database, row)
        except (Busy, SQLAlchemyError):
            SHADOWS.labels("dropped").inc()
        else:
            SHADOWS.labels("asked").inc()


async def _ask(question: ShadowQuestion, ask: Callable[[], Awaitable[EngineReply]]) -> ShadowAnswer:
    """Raises Busy when the engine has no room; whatever else keeps it from answering is what is found out here."""
    began = time.monotonic()
    row = ShadowAnswer(
        agency_id=question.agency_id,
        client_id=question.client_id,
        shadow_test_id=question.shadow_test_id,
        prediction_id=question.prediction_id,
    )
    try:
        reply = await ask()
    except Busy:
        raise
    except TuneloopError as error:
        row.problem = error.message
    else:
        row.answer, row.confidence = reply.text, reply.certainty.confidence
    row.latency_ms = (time.monotonic() - began) * 1000
    return row


def _claim(database: Database, question: ShadowQuestion) -> bool:
    """Take one answer of the test's budget. However many gateways there are, together they never take more.

    Each day of the test adds an equal part, so that the answers spread over its time.
    """
    moment = now()
    day = cast(func.floor(extract("epoch", moment - col(ShadowTest.began_at)) / 86_400), Integer) + 1
    statement = (
        update(ShadowTest)
        .where(
            col(ShadowTest.id) == question.shadow_test_id,
            col(ShadowTest.state) == ShadowState.RUNNING,
            col(ShadowTest.ends_at) > moment,
            col(ShadowTest.asked) < col(ShadowTest.answers),
            col(ShadowTest.asked) * col(ShadowTest.days) < col(ShadowTest.answers) * day,
        )
        .values(asked=ShadowTest.asked + 1)
        .returning(col(ShadowTest.id))
    )
    with database.unit(question.agency_id) as session:
        return session.execute(statement).first() is not None


def _store(database: Database, row: ShadowAnswer) -> None:
    """An answer of production that was never stored has none beside it."""
    with database.unit(row.agency_id) as session:
        kept = session.exec(select(Prediction.id).where(Prediction.id == row.prediction_id)).first()
        if kept is not None:
            session.execute(insert(ShadowAnswer).on_conflict_do_nothing().values(row.model_dump()))

"""The production log's way to the database: a bounded buffer that never slows or fails an answer.

What is buffered is in a journal too, for the case that the process is killed.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from typing import NamedTuple

import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from tuneloop.gateway.journal import Journal, Segment, close
from tuneloop.gateway.metrics import LOG_BUFFERED, LOG_DROPPED, LOG_STORED
from tuneloop.kit.db import Database
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Prediction

log = structlog.get_logger(__name__)

BATCH_ROWS = 500
FLUSH_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
SHUTDOWN_SECONDS = 5.0


class Entry(NamedTuple):
    row: Prediction
    size: int


class Recorder:
    """Lives on one event loop; rows are written in a thread. Beyond either bound the oldest rows are dropped."""

    def __init__(
        self, database: Database, journal: Journal, *, max_rows: int = 20_000, max_bytes: int = 64 << 20
    ) -> None:
        self._database = database
        self._journal = journal
        self._unstored: list[Segment] = []
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._buffer: deque[Entry] = deque()
        self._bytes = 0
        self._full_batch = asyncio.Event()
        self._writing = asyncio.Lock()

    def record(self, row: Prediction, *, size: int) -> None:
        """Take a row. `size`: rough bytes of its text."""
        self._journal.append(row)
        self._take_in(row, size)

    def take_over(self) -> None:
        """Rows that killed processes left, to be stored with the next flush."""
        for segment in self._journal.left_behind():
            self._unstored.append(segment)
            for row in segment.rows():
                self._take_in(row, len(str(row.messages)) + len(row.answer))

    def _take_in(self, row: Prediction, size: int) -> None:
        self._buffer.append(Entry(row, size))
        self._bytes += size
        self._drop_oldest()
        if len(self._buffer) >= BATCH_ROWS:
            self._full_batch.set()

    async def run(self) -> None:
        """Write what is buffered at every interval or full batch; back off while it fails. Runs until cancelled."""
        pause = FLUSH_SECONDS
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_SECONDS):
                    await self._full_batch.wait()
            self._full_batch.clear()
            try:
                await self.flush()
                pause = FLUSH_SECONDS
            except SQLAlchemyError as error:
                log.warning("prediction_log_waits", rows=len(self._buffer), error=error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def flush(self) -> None:
        """Write everything that was recorded before this call.

        Raises:
            SQLAlchemyError: the database is down; the rows stay buffered.
        """
        async with self._writing:
            self._unstored += self._journal.turn()
            left = len(self._buffer)
            while left > 0 and self._buffer:
                batch = [self._take() for _ in range(min(BATCH_ROWS, left, len(self._buffer)))]
                left -= len(batch)
                await self._write(batch)
            for segment in self._unstored:
                segment.delete()
            self._unstored.clear()

    async def close(self) -> None:
        """Last flush at shutdown, for a few seconds at most; what is left is the next process's."""
        try:
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                await self.flush()
        except (SQLAlchemyError, TimeoutError):
            log.warning("prediction_log_left", rows=len(self._buffer))
        self._journal.close()
        close(self._unstored)

    async def _write(self, batch: list[Entry]) -> None:
        try:
            refused = await asyncio.shield(asyncio.to_thread(_store, self._database, [entry.row for entry in batch]))
        except (SQLAlchemyError, asyncio.CancelledError):
            # Storing is idempotent, so a batch that may have been stored is simply offered again.
            self._buffer.extendleft(reversed(batch))
            self._bytes += sum(entry.size for entry in batch)
            self._drop_oldest()
            raise
        LOG_STORED.inc(len(batch) - refused)
        LOG_BUFFERED.set(len(self._buffer))
        if refused:
            LOG_DROPPED.labels("refused").inc(refused)

    def _take(self) -> Entry:
        entry = self._buffer.popleft()
        self._bytes -= entry.size
        return entry

    def _drop_oldest(self) -> None:
        while len(self._buffer) > self._max_rows or (self._bytes > self._max_bytes and len(self._buffer) > 1):
            self._take()
            LOG_DROPPED.labels("full").inc()
        LOG_BUFFERED.set(len(self._buffer))


def _store(database: Database, rows: Sequence[Prediction]) -> int:
    """Insert rows, one transaction per agency; returns how many the database refused for what is in them."""
    refused = 0
    ordered = sorted(rows, key=lambda row: row.agency_id)
    for agency_id, group in groupby(ordered, key=lambda row: row.agency_id):
        with database.unit(agency_id) as session:
            refused += _insert(session, list(group))
    return refused


def _insert(session: TenantSession, rows: list[Prediction]) -> int:
    """Insert in bulk. A row that the database refuses is found by halving and left out, so that it blocks no other."""
    statement = insert(Prediction).on_conflict_do_nothing(index_elements=["id"])
    try:
        with session.begin_nested():
            session.execute(statement, [row.model_dump() for row in rows])
    except (DataError, IntegrityError) as error:
        if len(rows) == 1:
            log.error("prediction_refused", prediction_id=str(rows[0].id), error=error)  # noqa: TRY400
            return 1
        middle = len(rows) // 2
        return _insert(session, rows[:middle]) + _insert(session, rows[middle:])
    return 0

"""The log's buffer: bounded, batched, idempotent, and blocked by nothing."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from sqlalchemy.exc import OperationalError

from tests.gateway.own_database import OwnDatabase
from tests.gateway.world import QUESTION, World, make_world
from tuneloop.gateway.app import create_gateway
from tuneloop.gateway.journal import Journal
from tuneloop.gateway.prediction_logger import Recorder
from tuneloop.kit.db import Database
from tuneloop.kit.ids import new_id
from tuneloop.kit.settings import Settings
from tuneloop.tables import Prediction


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal")
    yield opened
    opened.close()


def prediction(world: World, answer: str = "order") -> Prediction:
    return Prediction(
        agency_id=world.agency.id,
        client_id=world.client.id,
        model_id=world.model.id,
        version_id=world.v10.id,
        digest=world.v10.digest,
        messages=QUESTION,
        answer=answer,
    )


def dropped(reason: str) -> float:
    return REGISTRY.get_sample_value("tuneloop_prediction_log_dropped_total", {"reason": reason}) or 0.0


def flush(recorder: Recorder) -> None:
    asyncio.run(recorder.flush())


def test_full_buffer_drops_the_oldest_and_counts_them(database: Database, world: World, journal: Journal) -> None:
    recorder, before = Recorder(database, journal, max_rows=3), dropped("full")
    rows = [prediction(world) for _ in range(5)]
    for row in rows:
        recorder.record(row, size=10)
    flush(recorder)
    assert {row.id for row in world.predictions()} == {row.id for row in rows[2:]}
    assert dropped("full") - before == 2


def test_buffer_is_bounded_in_bytes_too(database: Database, world: World, journal: Journal) -> None:
    recorder = Recorder(database, journal, max_bytes=100)
    rows = [prediction(world) for _ in range(3)]
    for row in rows:
        recorder.record(row, size=60)
    flush(recorder)
    assert [row.id for row in world.predictions()] == [rows[2].id]


def test_flush_writes_every_agencys_rows_in_batches(database: Database, world: World, journal: Journal) -> None:
    other = make_world(database)
    recorder = Recorder(database, journal)
    for _ in range(600):
        recorder.record(prediction(world), size=1)
        recorder.record(prediction(other), size=1)
    flush(recorder)
    assert (len(world.predictions()), len(other.predictions())) == (600, 600)


def test_row_offered_twice_is_stored_once(database: Database, world: World, journal: Journal) -> None:
    recorder, row = Recorder(database, journal), prediction(world)
    recorder.record(row, size=1)
    flush(recorder)
    recorder.record(row, size=1)
    flush(recorder)
    assert len(world.predictions()) == 1


def test_row_that_the_database_refuses_blocks_no_other(database: Database, world: World, journal: Journal) -> None:
    recorder, before = Recorder(database, journal), dropped("refused")
    unknown_version = prediction(world)
    unknown_version.version_id = new_id()
    for row in (prediction(world), prediction(world, "a\0b"), prediction(world), unknown_version):
        recorder.record(row, size=1)
    flush(recorder)
    assert [row.answer for row in world.predictions()] == ["order", "order"]
    assert dropped("refused") - before == 2


def test_rows_wait_while_the_database_is_down(
    database: Database, world: World, own_database: OwnDatabase, journal: Journal
) -> None:
    recorder = Recorder(database, journal)
    rows = [prediction(world) for _ in range(3)]
    for row in rows:
        recorder.record(row, size=1)
    own_database.switch(on=False)
    try:
        with pytest.raises(OperationalError):
            flush(recorder)
    finally:
        own_database.switch(on=True)
    assert world.predictions() == []
    flush(recorder)
    assert {row.id for row in world.predictions()} == {row.id for row in rows}


def test_rows_of_a_stopped_process_are_flushed(own_database: OwnDatabase, world: World, tmp_path: Path) -> None:
    async def record_and_leave() -> None:
        async with create_gateway(Settings(data_dir=tmp_path), world.database) as gateway:
            gateway.recorder.record(prediction(world), size=1)

    asyncio.run(record_and_leave())
    assert len(world.predictions()) == 1


KILLED = """
import os, signal, sys
from pathlib import Path
from tuneloop.gateway.journal import Journal
from tuneloop.tables import Prediction
journal = Journal(Path(sys.argv[1]))
for line in sys.stdin:
    journal.append(Prediction.model_validate_json(line))
    print("given", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.failure_case(25)
def test_rows_of_a_killed_process_are_stored_by_the_next_one(
    database: Database, world: World, journal: Journal, tmp_path: Path
) -> None:
    folder, rows = tmp_path / "journal", [prediction(world, f"answer {number}") for number in range(20)]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder)],
        input="".join(f"{row.model_dump_json()}\n" for row in rows),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (killed.returncode, killed.stdout.count("given")) == (-signal.SIGKILL, len(rows)), killed.stderr
    (left,) = folder.iterdir()
    with left.open("ab") as file:
        file.write(b'{"id": "cut o')
    own = prediction(world, "of the next one")
    recorder = Recorder(database, journal)
    recorder.record(own, size=1)
    recorder.take_over()
    flush(recorder)
    stored = {row.id: row for row in world.predictions()}
    assert stored.keys() == {row.id for row in [*rows, own]}
    assert stored[rows[3].id].model_dump() == rows[3].model_dump()
    assert list(folder.iterdir()) == []


def test_a_living_process_keeps_its_rows_and_a_full_disk_costs_no_answer(
    database: Database, world: World, journal: Journal, tmp_path: Path
) -> None:
    journal.append(prediction(world))
    assert Journal(tmp_path / "journal").left_behind() == []
    (tmp_path / "file").touch()
    recorder = Recorder(database, Journal(tmp_path / "file"))
    recorder.record(prediction(world), size=1)
    flush(recorder)
    assert len(world.predictions()) == 1

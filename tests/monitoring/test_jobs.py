"""The monitor's jobs as a worker runs them, and the scheduler that starts them."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from sqlmodel import col, select

from tests.monitoring.traffic import Traffic
from tests.support.cycles import Workshop
from tests.support.upstream import ScriptedEngine, scripted_engine
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.errors import InvalidInput, NotFound
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import Job, JobRow, JobState, Queue, claim, enqueue, notify_due
from tuneloop.kit.jobs.duties import SetAside
from tuneloop.kit.jobs.runtime import JobContext
from tuneloop.kit.jobs.scheduler import tick
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.handlers import propose_retrain, read_one_monitor
from tuneloop.monitoring.jobs import ProposeRetrain, ReadMonitor, RunCanary
from tuneloop.monitoring.status import monitor_of
from tuneloop.scheduler import DUTIES
from tuneloop.tables import AdapterVersion, BaseModel, Reading, RetrainingCycle, Schedule, Source
from tuneloop_workers.handlers.canary import run_canary


@pytest.fixture
def upstream() -> Iterator[ScriptedEngine]:
    with scripted_engine() as engine:
        yield engine


class Worker:
    """Claims a job, as a worker does, and gives the handler what it works with."""

    def __init__(self, database: Database, workshop: Workshop, storage: Storage, folder: Path) -> None:
        self.database, self.workshop, self.storage, self.folder = database, workshop, storage, folder

    def context(self, job: Job) -> JobContext:
        with self.database.unit(self.workshop.agency.id) as session:
            job_id = enqueue(session, job, agency_id=self.workshop.agency.id)
        assert job_id is not None
        with self.database.all_agencies() as session:
            held = claim(session, job_id, worker="test")
        assert held is not None
        return JobContext(self.database, self.storage, Settings(data_dir=self.folder), held, threading.Event())


@pytest.fixture
def worker(database: Database, workshop: Workshop, storage: Storage, tmp_path: Path) -> Worker:
    return Worker(database, workshop, storage, tmp_path)


def streams(session: TenantSession) -> dict[str, Reading]:
    return {row.stream: row for row in session.exec(select(Reading))}


def test_a_due_retrain_waits_for_the_check_of_what_is_new(
    session: TenantSession, workshop: Workshop, traffic: Traffic, worker: Worker
) -> None:
    traffic.label(traffic.answers(1), "rental", source=Source.CORRECTION)
    session.flush()
    job = ProposeRetrain(model_id=workshop.model.id)
    context = worker.context(job)
    propose_retrain(context, job)
    names = session.exec(select(JobRow.name).where(JobRow.state == JobState.QUEUED))
    assert sorted(names) == ["datasets.scan", ProposeRetrain.name]
    assert session.exec(select(RetrainingCycle)).first() is None


def test_a_reading_takes_all_streams_and_looks_for_new_questions(
    session: TenantSession, workshop: Workshop, traffic: Traffic, worker: Worker
) -> None:
    """What would be found is simulated by a job of its own: it takes long."""
    traffic.label(traffic.answers(60)[:30], "order")
    session.flush()
    job = ReadMonitor(model_id=workshop.model.id)
    read_one_monitor(worker.context(job), job)
    session.expire_all()
    assert set(streams(session)) == {"labels", "confidence", "reports", "label_free", "clusters"}
    (cluster,) = streams(session)["clusters"].detail["clusters"]
    assert (cluster["size"], "traffic" in cluster["name"]) == (60, True)
    names = [row.name for row in session.exec(select(JobRow).order_by(col(JobRow.created_at)))]
    assert names == ["monitoring.read", "monitoring.sensitivity"]


def test_the_canary_asks_every_golden_question_and_counts_what_changed(
    session: TenantSession, workshop: Workshop, version: AdapterVersion, worker: Worker, upstream: ScriptedEngine
) -> None:
    """This server always says `order`, half of which is wrong: no noise, but harm, on the first run already."""
    session.get_one(BaseModel, workshop.base.id).upstream_url = upstream.url
    session.flush()
    job = RunCanary(model_id=workshop.model.id)
    run_canary(worker.context(job), job)
    session.expire_all()
    reading = streams(session)["canary"]
    monitor = monitor_of(session, workshop.model.id)
    assert monitor is not None
    assert upstream.arrived.qsize() == 100
    assert {upstream.arrived.get()["model"] for _ in range(100)} == {version.digest}
    assert reading.detail["accuracy"]["value"] == 0.5
    assert (reading.detail["broken"], reading.detail["fixed"], reading.alarm) == (45, 5, True)
    assert monitor.noise is None


@pytest.mark.parametrize(("model_id", "error"), [(None, InvalidInput), (new_id(), NotFound)])
def test_nothing_in_production_is_nothing_to_ask(
    workshop: Workshop, worker: Worker, model_id: UUID | None, error: type[Exception]
) -> None:
    job = RunCanary(model_id=model_id or workshop.model.id)
    with pytest.raises(error):
        run_canary(worker.context(job), job)


def test_the_scheduler_rings_for_what_the_calendar_makes_due(
    database: Database, session: TenantSession, version: AdapterVersion
) -> None:
    for row in session.exec(select(Schedule)):
        row.next_at = now() - timedelta(minutes=1)
    session.flush()
    notified = list[Queue]()

    def ring(queue: Queue, wanted: int) -> int:
        notified.append(queue)
        return wanted

    for _ in range(2):
        tick(database, partial(notify_due, database, ring), DUTIES, SetAside())
    session.expire_all()
    due = session.exec(select(JobRow).where(col(JobRow.run_after) <= now()))
    assert sorted(row.name for row in due) == ["monitoring.canary", "monitoring.propose_retrain", "monitoring.read"]
    assert set(notified) == {Queue.DEFAULT, Queue.GPU}

"""The broker is a real Valkey; what it forgets, the job rows remember."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest
from dramatiq import Worker
from dramatiq.brokers.redis import RedisBroker

from tests.kit.test_runtime import World
from tests.support.committed import Committed
from tests.support.sample_jobs import Errand
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import JobState, notify_due
from tuneloop.kit.jobs.broker import make_broker, notify
from tuneloop.kit.jobs.job import LANES, Queue
from tuneloop.kit.jobs.runtime import JobContext, handles, install
from tuneloop.kit.storage import Storage
from tuneloop_local.engines import EngineUrls

MOST = LANES[Queue.DEFAULT].per_agency
runs: list[Errand] = []


class Note(Errand):
    name: ClassVar[str] = "test.note"


@handles(Note)
def note(_context: JobContext, job: Note) -> None:
    runs.append(job)


@pytest.fixture
def broker(urls: EngineUrls) -> Iterator[RedisBroker]:
    broker = make_broker(urls.broker.replace("db=0", "db=7"))
    broker.flush_all()
    yield broker
    broker.client.flushdb()
    broker.close()


@pytest.fixture
def world(committed: Committed, storage: Storage, tmp_path: Path) -> World:
    world = World(committed, storage, tmp_path)
    install(world.runtime)
    runs.clear()
    return world


def _ring_due(world: World, broker: RedisBroker) -> int:
    return notify_due(world.database, partial(notify, broker))


def _work(broker: RedisBroker) -> None:
    """Take every notification there is."""
    worker = Worker(broker, worker_timeout=50, worker_threads=2)
    worker.start()
    broker.join(Queue.DEFAULT)
    worker.join()
    worker.stop()


def test_a_notified_job_is_done_once(world: World, broker: RedisBroker) -> None:
    job_id = world.enqueue(Note(subject=new_id()))
    assert _ring_due(world, broker) == 1
    _work(broker)
    assert world.row(job_id).state == JobState.SUCCEEDED
    assert len(runs) == 1


def test_a_flushed_broker_loses_nothing(world: World, broker: RedisBroker) -> None:
    jobs = [Note(subject=new_id()) for _ in range(5)]
    ids = [world.enqueue(job) for job in jobs]
    assert _ring_due(world, broker) == MOST
    broker.client.flushdb()
    _work(broker)
    assert runs == []
    assert _ring_due(world, broker) == MOST
    _work(broker)
    assert {world.row(job_id).state for job_id in ids} == {JobState.SUCCEEDED}
    assert sorted(job.subject for job in runs) == sorted(job.subject for job in jobs)


def test_a_broker_never_holds_more_than_a_few_messages(world: World, broker: RedisBroker) -> None:
    for _ in range(50):
        world.enqueue(Note(subject=new_id()))
    assert [_ring_due(world, broker) for _ in range(3)] == [MOST, 0, 0]


def test_a_doubled_ring_does_the_job_once(world: World, broker: RedisBroker) -> None:
    job_id = world.enqueue(Note(subject=new_id()))
    assert notify(broker, Queue.DEFAULT, 3) == 3
    _work(broker)
    assert len(runs) == 1
    assert world.row(job_id).attempts == 1


def test_a_ring_without_a_job_is_harmless(world: World, broker: RedisBroker) -> None:
    notify(broker, Queue.DEFAULT, 1)
    _work(broker)
    assert runs == []
    assert world.mournings() == []


def test_the_broker_down_keeps_the_job_due(world: World, broker: RedisBroker) -> None:
    world.enqueue(Note(subject=new_id()))

    def unreachable(_queue: Queue, _wanted: int) -> int:
        raise ConnectionError("no broker")

    with pytest.raises(ConnectionError):
        notify_due(world.database, unreachable)
    assert _ring_due(world, broker) == 1
    _work(broker)
    assert len(runs) == 1

"""How a worker learns that there is work: a message in the broker's queue, one Dramatiq actor for each queue."""

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AgeLimit, Callbacks, Pipelines, Retries, ShutdownNotifications

from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.jobs.job import LANES, Queue
from tuneloop.kit.jobs.runtime import Runtime, current_runtime, install
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage


def make_broker(url: str) -> RedisBroker:
    """Recovers messages of killed workers within seconds; retries and time limits are the job row's business."""
    broker = RedisBroker(  # type: ignore[no-untyped-call]
        url=url,
        maintenance_chance=1_000_000,
        heartbeat_timeout=15_000,
        dead_message_ttl=60_000,
        middleware=[AgeLimit(), ShutdownNotifications(), Callbacks(), Pipelines(), Retries(max_retries=0)],
    )

    def run_next(queue: str) -> None:
        if current_runtime().run_next(Queue(queue)):
            notify(broker, Queue(queue), 1)

    for queue in Queue:
        declare = dramatiq.actor(actor_name=f"run_{queue}", queue_name=queue, broker=broker, max_retries=0)
        declare(run_next)
    return broker


class Workers:
    """A worker for each of the queues, with threads of its own: what is long keeps nothing waiting that is short."""

    def __init__(self, broker: RedisBroker, queues: Collection[Queue]) -> None:
        self.ask_broker: Callable[[], object] = broker.client.ping
        self._workers = [
            dramatiq.Worker(broker, queues={str(queue)}, worker_threads=LANES[queue].threads, worker_timeout=100)
            for queue in queues
        ]

    def start(self) -> None:
        for worker in self._workers:
            worker.start()

    def stop(self, *, timeout_ms: int) -> None:
        """Wait for the running jobs of all of them, for this long at most."""
        with ThreadPoolExecutor(len(self._workers)) as pool:
            for worker in self._workers:
                pool.submit(worker.stop, timeout=timeout_ms)


def make_workers(settings: Settings, queues: Collection[Queue]) -> tuple[Workers, Runtime]:
    """Workers of these queues, not started yet, and the runtime of this process in which they do their jobs."""
    storage = Storage(settings.storage, cache=settings.data_dir / "cache")
    threads = sum(LANES[queue].threads for queue in queues)
    runtime = Runtime(Database(make_engine(settings.database_url, pool_size=threads + 1)), storage, settings)
    install(runtime)
    return Workers(make_broker(settings.broker_url), queues), runtime


def notify(broker: RedisBroker, queue: Queue, wanted: int) -> int:
    """See to it that `wanted` messages wait in the broker's queue; returns how many were added."""
    missing = wanted - int(broker.client.llen(f"{broker.namespace}:{queue}"))
    for _ in range(missing):
        broker.get_actor(f"run_{queue}").send(str(queue))
    return max(0, missing)

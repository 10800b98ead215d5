"""How a worker learns of a job: one Dramatiq actor per queue, whose only argument is the id of a job row."""

from collections.abc import Collection
from uuid import UUID

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AgeLimit, Callbacks, Pipelines, Retries, ShutdownNotifications, TimeLimit

from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.jobs.job import Queue
from tuneloop.kit.jobs.runtime import Runtime, current_runtime, install
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage

DAY_MS = 24 * 3600 * 1000


def make_broker(url: str) -> RedisBroker:
    """Recovers messages of killed workers within seconds; retries are the job row's business, not the broker's."""
    broker = RedisBroker(  # type: ignore[no-untyped-call]
        url=url,
        maintenance_chance=1_000_000,
        heartbeat_timeout=15_000,
        dead_message_ttl=60_000,
        middleware=[AgeLimit(), TimeLimit(), ShutdownNotifications(), Callbacks(), Pipelines(), Retries(max_retries=0)],
    )
    for queue in Queue:
        declare = dramatiq.actor(
            actor_name=f"run_{queue}", queue_name=queue, broker=broker, max_retries=0, time_limit=DAY_MS
        )
        declare(_run)
    return broker


def make_worker(settings: Settings, queues: Collection[Queue], *, threads: int) -> tuple[dramatiq.Worker, Runtime]:
    """A worker of these queues, not started yet, and the runtime of this process in which it does their jobs."""
    storage = Storage(settings.storage, cache=settings.data_dir / "cache")
    runtime = Runtime(Database(make_engine(settings.database_url)), storage, settings)
    install(runtime)
    names = {str(queue) for queue in queues}
    broker = make_broker(settings.broker_url)
    return dramatiq.Worker(broker, queues=names, worker_threads=threads, worker_timeout=100), runtime


def notify(broker: RedisBroker, queue: str, job_id: UUID) -> None:
    broker.get_actor(f"run_{queue}").send(str(job_id))


def _run(job_id: str) -> None:
    current_runtime().run(UUID(job_id))

"""How many jobs there are to do, for Prometheus: counted when it asks."""

from collections.abc import Iterator

from prometheus_client.core import REGISTRY, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from tuneloop.kit.db import Database
from tuneloop.kit.jobs.job import LANES, Queue

TO_DO = "tuneloop_jobs_to_do"
OLDEST = "tuneloop_jobs_oldest_seconds"


class JobMetrics(Collector):
    """Nothing is said while the database is away."""

    def __init__(self, database: Database, per_agency: int | None) -> None:
        self._database = database
        self._per_agency = per_agency

    def describe(self) -> list[Metric]:
        return [
            GaugeMetricFamily(TO_DO, "Jobs that run or are due, of an agency as many as may run", labels=["queue"]),
            GaugeMetricFamily(OLDEST, "For how long the oldest job that could run has been due", labels=["queue"]),
        ]

    def collect(self) -> Iterator[Metric]:
        try:
            counts = {queue: self._count(queue) for queue in Queue}
        except SQLAlchemyError:
            return
        for place, metric in enumerate(self.describe()):
            assert isinstance(metric, GaugeMetricFamily)
            for queue, numbers in counts.items():
                metric.add_metric([queue], numbers[place])
            yield metric

    def _count(self, queue: Queue) -> tuple[float, float]:
        statement = text("select jobs, oldest_seconds from jobs_to_do(:most) where queue = :queue")
        with self._database.all_agencies() as session:
            row = session.execute(
                statement, {"most": self._per_agency or LANES[queue].per_agency, "queue": queue}
            ).one_or_none()
        return (float(row[0]), float(row[1])) if row else (0.0, 0.0)


def publish_jobs(database: Database, *, per_agency: int | None = None) -> None:
    """From now on this process says how many jobs there are to do; `per_agency` as in `notify_due`."""
    REGISTRY.register(JobMetrics(database, per_agency))

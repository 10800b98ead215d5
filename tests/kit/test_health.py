"""What Kubernetes and Prometheus ask of a process that serves nothing else."""

from collections.abc import Callable, Iterator

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from tests.support.factories import make_agency
from tests.support.ports import free_port
from tests.support.sample_jobs import Errand
from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.health import health
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import Queue, enqueue
from tuneloop.kit.jobs.metrics import JobMetrics
from tuneloop.kit.settings import Settings
from tuneloop_local.engines import EngineUrls

TOKEN = "of the one who reads metrics"


def gone() -> None:
    raise ConnectionRefusedError


@pytest.fixture
def address(database: Database) -> Iterator[Callable[..., str]]:
    """Starts the endpoints; returns their address."""
    opened = []

    def start(database: Database = database, ask_broker: Callable[[], object] = lambda: None) -> str:
        settings = Settings(health_port=free_port(), metrics_token=SecretStr(TOKEN))
        block = health(settings, database, ask_broker=ask_broker)
        block.__enter__()
        opened.append(block)
        return f"http://127.0.0.1:{settings.health_port}"

    yield start
    for block in opened:
        block.__exit__(None, None, None)


def test_a_process_that_has_what_it_needs_is_ready(address: Callable[..., str]) -> None:
    answer = httpx.get(f"{address()}/readyz")
    assert (answer.status_code, answer.json()) == (200, {"database": "up", "broker": "up"})


def test_a_process_without_database_or_broker_lives_and_says_what_is_missing(address: Callable[..., str]) -> None:
    nowhere = Database(make_engine("postgresql://nobody@127.0.0.1:1/none"))
    url = address(nowhere, gone)
    assert httpx.get(f"{url}/healthz").status_code == 200
    answer = httpx.get(f"{url}/readyz")
    assert (answer.status_code, answer.json()) == (503, {"database": "down", "broker": "down"})


def test_metrics_are_for_whoever_has_the_token(address: Callable[..., str]) -> None:
    url = f"{address()}/metrics"
    assert httpx.get(url).status_code == 401
    assert httpx.get(url, headers={"Authorization": "Bearer another"}).status_code == 401
    assert "python_info" in httpx.get(url, headers={"Authorization": f"Bearer {TOKEN}"}).text


def test_of_an_agency_no_more_jobs_count_than_may_run(database: Database) -> None:
    for slug, jobs in (("busy", 5), ("calm", 1)):
        agency = make_agency(database, slug)
        with database.unit(agency.id) as session:
            for _ in range(jobs):
                enqueue(session, Errand(subject=new_id()), agency_id=agency.id)
    metrics = {
        (metric.name, sample.labels["queue"]): sample.value
        for metric in JobMetrics(database, per_agency=2).collect()
        for sample in metric.samples
    }
    assert metrics["tuneloop_jobs_to_do", Errand.queue] == 3
    assert metrics["tuneloop_jobs_oldest_seconds", Errand.queue] >= 0
    assert all(metrics["tuneloop_jobs_to_do", queue] == 0 for queue in Queue if queue is not Errand.queue)


def test_what_scales_workers_sees_the_number_of_jobs_alone(urls: EngineUrls) -> None:
    engine = make_engine(urls.database.replace("//tuneloop_app:", "//tuneloop_queue:"))
    with engine.connect() as connection:
        connection.execute(text("select coalesce(sum(jobs), 0) from jobs_to_do(2)")).scalar_one()
        with pytest.raises(ProgrammingError, match="permission denied"):
            connection.execute(text("select * from job"))
    engine.dispose()

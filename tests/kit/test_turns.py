"""Agencies take turns in every queue, and what takes long has queues of its own."""

from collections.abc import Iterator
from typing import ClassVar
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import Engine, text

from tests.support.committed import Committed, committed_agency
from tests.support.sample_jobs import Errand
from tuneloop.datasets.jobs import ScanExamples
from tuneloop.kit.db import Database
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import Claim, Queue, claim_next, enqueue, finish, notify_due
from tuneloop.kit.jobs.job import LANES
from tuneloop.kit.jobs.turns import turns
from tuneloop.retraining.jobs import DeployCandidate, TrainCandidate
from tuneloop.tables import Agency
from tuneloop_local.engines import EngineUrls

MANY = 10_000


class Short(Errand):
    name: ClassVar[str] = "test.short"
    queue: ClassVar[Queue] = Queue.QUICK


@pytest.fixture
def north(engine: Engine, urls: EngineUrls) -> Iterator[Committed]:
    with committed_agency(engine, urls) as made:
        yield made


@pytest.fixture
def south(engine: Engine, urls: EngineUrls) -> Iterator[Committed]:
    with committed_agency(engine, urls) as made:
        yield made


def _fill(database: Database, agency: Agency, queue: Queue, number: int) -> None:
    with database.all_agencies() as session:
        session.execute(
            text(
                "insert into job (id, agency_id, name, queue, args, state, attempts, max_attempts, fencing_token, "
                "run_after, cancel_requested, progress, created_at) "
                "select gen_random_uuid(), :agency, 'test.errand', :queue, jsonb_build_object('subject', :agency), "
                "'queued', 0, 3, 0, clock_timestamp() - interval '1 hour', false, '{}', clock_timestamp() "
                "from generate_series(1, :number)"
            ),
            {"agency": agency.id, "queue": queue, "number": number},
        )


def _add(database: Database, agency: Agency, job: Errand | None = None) -> UUID:
    with database.unit(agency.id) as session:
        job_id = enqueue(session, job or Errand(subject=new_id()), agency_id=agency.id)
    assert job_id is not None
    return job_id


def _take(database: Database, queue: Queue = Queue.DEFAULT) -> Claim | None:
    with database.all_agencies() as session:
        return claim_next(session, queue, worker="w")


def _done(database: Database, held: Claim) -> None:
    with database.all_agencies() as session:
        finish(session, held)


@pytest.mark.failure_case(25)
def test_ten_thousand_jobs_of_one_agency_delay_no_job_of_another(north: Committed, south: Committed) -> None:
    database = north.database
    _fill(database, north.agency, Queue.DEFAULT, MANY)
    first = _take(database)
    assert first is not None
    assert first.agency_id == north.agency.id
    waiting = _add(database, south.agency)
    while_it_runs = _take(database)
    assert while_it_runs is not None
    assert while_it_runs.job_id == waiting


def test_one_worker_serves_agencies_in_turn(north: Committed, south: Committed) -> None:
    database = north.database
    _fill(database, north.agency, Queue.DEFAULT, 20)
    _fill(database, south.agency, Queue.DEFAULT, 3)
    served = []
    for _ in range(8):
        held = _take(database)
        assert held is not None
        served.append("north" if held.agency_id == north.agency.id else "south")
        _done(database, held)
    assert served[:6].count("south") == 3
    assert served[6:] == ["north", "north"]


def test_an_agency_runs_no_more_at_once_than_its_share(north: Committed, south: Committed) -> None:
    database, share = north.database, LANES[Queue.DEFAULT].per_agency
    _fill(database, north.agency, Queue.DEFAULT, 20)
    held = [_take(database) for _ in range(share + 1)]
    assert [each is not None for each in held] == [True] * share + [False]
    assert notify_due(database, lambda _queue, wanted: wanted) == 0
    waiting = _add(database, south.agency)
    taken = _take(database)
    assert taken is not None
    assert taken.job_id == waiting
    assert held[0] is not None
    _done(database, held[0])
    assert notify_due(database, lambda _queue, wanted: wanted) == 1


def test_a_full_queue_is_not_read_to_find_whose_turn_it_is(
    north: Committed, south: Committed, urls: EngineUrls
) -> None:
    database = north.database
    _fill(database, north.agency, Queue.DEFAULT, MANY)
    _fill(database, south.agency, Queue.DEFAULT, MANY)
    with psycopg.connect(urls.migration, autocommit=True) as owner:
        owner.execute("vacuum analyze job")  # as autovacuum does after so many rows
    with database.all_agencies() as session:
        turns(session, Queue.DEFAULT)  # entries of rows that other tests deleted are marked as dead by whom they detain
    visits = text("select seq_tup_read + idx_tup_fetch from pg_stat_xact_user_tables where relname = 'job'")
    with database.all_agencies() as session:
        found = turns(session, Queue.DEFAULT)
        visited = session.execute(visits).scalar_one()
    assert {turn.agency_id for turn in found} >= {north.agency.id, south.agency.id}
    assert visited < MANY / 10


def test_no_number_of_scans_delays_a_deployment(north: Committed) -> None:
    assert DeployCandidate.queue is Queue.QUICK
    assert len({DeployCandidate.queue, ScanExamples.queue, TrainCandidate.queue}) == 3
    database = north.database
    _fill(database, north.agency, Queue.SLOW, MANY)
    _fill(database, north.agency, Queue.GPU, MANY)
    while _take(database, Queue.SLOW):
        pass
    waiting = _add(database, north.agency, Short(subject=new_id()))
    taken = _take(database, Queue.QUICK)
    assert taken is not None
    assert taken.job_id == waiting

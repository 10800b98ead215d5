"""Exclusive claims with real connections and commits."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID

from sqlmodel import select

from tests.support.committed import Committed
from tests.support.sample_jobs import Errand
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import Claim, JobRow, Queue, claim, claim_next, enqueue

WORKERS = 6


def test_of_many_workers_one_gets_the_job(committed: Committed) -> None:
    database, agency = committed
    with database.unit(agency.id) as session:
        job_id = enqueue(session, Errand(subject=new_id()), agency_id=agency.id)
    assert job_id is not None
    ready = Barrier(WORKERS)

    def take(worker: int) -> Claim | None:
        with database.unit(agency.id) as session:
            session.exec(select(JobRow)).all()
            ready.wait()
            return claim(session, job_id, worker=str(worker))

    with ThreadPoolExecutor(WORKERS) as pool:
        claims = [each for each in pool.map(take, range(WORKERS)) if each is not None]
    with database.unit(agency.id) as session:
        row = session.get_one(JobRow, job_id)
        assert (len(claims), row.attempts, row.fencing_token) == (1, 1, 1)
        assert row.worker is not None


def test_workers_that_choose_at_once_get_a_job_each_and_no_more_than_their_agency_may_have(
    committed: Committed,
) -> None:
    database, agency = committed
    with database.unit(agency.id) as session:
        for _ in range(WORKERS + 2):
            enqueue(session, Errand(subject=new_id()), agency_id=agency.id)
    ready = Barrier(WORKERS)

    def take(worker: int) -> Claim | None:
        ready.wait()
        with database.all_agencies() as session:
            return claim_next(session, Queue.DEFAULT, worker=str(worker), per_agency=WORKERS - 2)

    with ThreadPoolExecutor(WORKERS) as pool:
        claims = [each for each in pool.map(take, range(WORKERS)) if each is not None]
    assert len({each.job_id for each in claims}) == len(claims) == WORKERS - 2


def test_enqueueing_the_same_key_at_once_makes_one_job(committed: Committed) -> None:
    database, agency = committed
    ready = Barrier(WORKERS)

    def add(_: int) -> UUID | None:
        with database.unit(agency.id) as session:
            session.exec(select(JobRow)).all()
            ready.wait()
            return enqueue(session, Errand(subject=new_id()), agency_id=agency.id, dedupe_key=str(agency.id))

    with ThreadPoolExecutor(WORKERS) as pool:
        made = [each for each in pool.map(add, range(WORKERS)) if each]
    with database.unit(agency.id) as session:
        assert [row.id for row in session.exec(select(JobRow))] == made

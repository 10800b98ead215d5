"""Exclusive claims with real connections and commits."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID

from sqlmodel import select

from tests.support.committed import Committed
from tests.support.sample_jobs import Errand
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import Claim, JobRow, claim, enqueue, notify_due

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


def test_two_relays_at_once_ring_each_job_once(committed: Committed) -> None:
    database, agency = committed
    with database.unit(agency.id) as session:
        wanted = {enqueue(session, Errand(subject=new_id()), agency_id=agency.id) for _ in range(20)}
    ready = Barrier(2)

    def relay(_: int) -> list[UUID]:
        notified: list[UUID] = []
        ready.wait()
        notify_due(database, lambda _queue, job_id: notified.append(job_id))
        return notified

    with ThreadPoolExecutor(2) as pool:
        notified = [job_id for each in pool.map(relay, range(2)) for job_id in each]
    assert sorted(notified) == sorted(each for each in wanted if each)


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

"""One unit of work is one transaction: all of it, its jobs included, or nothing."""

import psycopg
import pytest
from sqlmodel import select

from tests.support.committed import Committed
from tests.support.sample_jobs import Errand
from tuneloop.kit.db import Database
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import JobRow, enqueue
from tuneloop.kit.jobs.relay import CHANNEL
from tuneloop.tables import Agency, Client
from tuneloop_local.engines import EngineUrls


def _clients(database: Database, agency: Agency) -> list[str]:
    with database.unit(agency.id) as session:
        return [client.slug for client in session.exec(select(Client))]


def _jobs(database: Database, agency: Agency) -> list[JobRow]:
    with database.unit(agency.id) as session:
        return list(session.exec(select(JobRow)))


def _fail_midway(database: Database, agency: Agency) -> float:
    with database.unit(agency.id) as session:
        session.add(Client(slug="acme", name="Acme"))
        enqueue(session, Errand(subject=new_id()), agency_id=agency.id)
        return 1 / 0


def test_an_exception_rolls_back_the_change_and_leaves_no_job(database: Database, agency: Agency) -> None:
    with pytest.raises(ZeroDivisionError):
        _fail_midway(database, agency)
    assert _clients(database, agency) == []
    assert _jobs(database, agency) == []


def test_a_commit_leaves_the_change_and_exactly_one_job(database: Database, agency: Agency) -> None:
    subject = new_id()
    with database.unit(agency.id) as session:
        session.add(Client(slug="acme", name="Acme"))
        job_id = enqueue(session, Errand(subject=subject), agency_id=agency.id)
    (row,) = _jobs(database, agency)
    assert _clients(database, agency) == ["acme"]
    assert (row.id, row.name, row.args) == (job_id, "test.errand", {"subject": str(subject)})


def test_a_listener_hears_one_ring_after_the_commit_and_none_after_a_rollback(
    committed: Committed, urls: EngineUrls
) -> None:
    database, agency = committed
    with psycopg.connect(urls.database, autocommit=True) as listener:
        listener.execute(f"listen {CHANNEL}")
        with pytest.raises(ZeroDivisionError):
            _fail_midway(database, agency)
        with database.unit(agency.id) as session:
            first = enqueue(session, Errand(subject=new_id()), agency_id=agency.id)
            enqueue(session, Errand(subject=new_id()), agency_id=agency.id)
        heard = [notice.payload for notice in listener.notifies(timeout=5, stop_after=2)]
        late = list(listener.notifies(timeout=0))
    assert heard[0] == str(first)
    assert len(heard) == 2
    assert late == []


def test_a_job_for_another_agency_cannot_be_enqueued(database: Database, agency: Agency) -> None:
    with pytest.raises(Exception, match="row-level security"), database.unit(agency.id) as session:
        enqueue(session, Errand(subject=new_id()), agency_id=new_id())


def test_units_of_work_see_committed_work_only(committed: Committed) -> None:
    database, agency = committed
    with database.unit(agency.id) as writing:
        writing.add(Client(slug="acme", name="Acme"))
        writing.flush()
        assert _clients(database, agency) == []
    assert _clients(database, agency) == ["acme"]

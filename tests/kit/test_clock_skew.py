"""A machine whose clock is ten minutes wrong: jobs are due, held and lost by the database's."""

import json
import subprocess
import sys
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.support.committed import Committed
from tests.support.sample_jobs import Errand
from tests.support.skew import skewed
from tuneloop.kit.clock import now
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import Claim, JobRow, JobState, Queue, claim_next, enqueue
from tuneloop.kit.jobs.lease import LEASE
from tuneloop_local.engines import EngineUrls

pytestmark = pytest.mark.failure_case(12)

ERROR = timedelta(seconds=15)
"""Between our reading of the clock and the process's, on a busy machine."""


class Machine:
    """Runs acts of a job's life in a process with a wrong clock."""

    def __init__(self, url: str, agency_id: UUID, seconds: float) -> None:
        self._arguments = [url, str(agency_id)]
        self._environment = skewed(seconds)

    def do(self, *acts: str) -> Any:
        command = [sys.executable, "-m", "tests.support.job_life", *self._arguments, *acts]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(params=[-600, 600], ids=["behind", "ahead"])
def machine(request: pytest.FixtureRequest, committed: Committed, urls: EngineUrls) -> Machine:
    return Machine(urls.database, committed.agency.id, request.param)


def _add(committed: Committed, **options: Any) -> UUID:
    with committed.database.unit(committed.agency.id) as session:
        job_id = enqueue(session, Errand(subject=new_id()), agency_id=committed.agency.id, **options)
    assert job_id is not None
    return job_id


def _row(committed: Committed, job_id: UUID) -> JobRow:
    with committed.database.unit(committed.agency.id) as session:
        return session.get_one(JobRow, job_id)


def _claim(committed: Committed) -> Claim:
    with committed.database.all_agencies() as session:
        held = claim_next(session, Queue.DEFAULT, worker="ours")
    assert held is not None
    return held


def test_its_jobs_are_due_at_once_and_in_order(machine: Machine, committed: Committed) -> None:
    ours = _add(committed)
    theirs = UUID(machine.do("enqueue"))
    assert [_claim(committed).job_id for _ in range(2)] == [ours, theirs]
    assert abs(_row(committed, theirs).run_after - now()) < ERROR


def test_it_takes_no_job_before_its_time(machine: Machine, committed: Committed) -> None:
    _add(committed, delay=timedelta(minutes=5))
    assert machine.do("claim") is None


def test_its_leases_end_when_others_think_that_they_do(machine: Machine, committed: Committed) -> None:
    _add(committed)
    job_id = UUID(machine.do("claim", "beat"))
    lease = _row(committed, job_id).lease_until
    assert lease is not None
    assert abs(lease - now() - LEASE) < ERROR


def test_it_takes_no_healthy_job_away(machine: Machine, committed: Committed) -> None:
    _add(committed)
    held = _claim(committed)
    assert machine.do("sweep") == 0
    assert _row(committed, held.job_id).worker == "ours"


def test_it_finds_the_lost_ones(machine: Machine, committed: Committed) -> None:
    _add(committed)
    held = _claim(committed)
    with committed.database.unit(committed.agency.id) as session:
        session.get_one(JobRow, held.job_id).lease_until = now() - timedelta(seconds=1)
    assert machine.do("sweep") == 1
    assert _row(committed, held.job_id).state is JobState.QUEUED


def test_everything_else_that_it_dates_is_right_too(machine: Machine) -> None:
    assert abs(datetime.fromisoformat(machine.do("now")) - now()) < ERROR

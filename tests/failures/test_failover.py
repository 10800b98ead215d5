"""Case 14: PostgreSQL's standby takes over: one that was waited for has everything, one that lags does no harm."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import pytest
from sqlmodel import select

from tests.failures.figures import figure
from tests.failures.standby import Standby, with_standby
from tests.support.cycles import PLAN, make_workshop
from tests.support.factories import make_agency, owner_of
from tests.support.sample_jobs import Errand
from tuneloop.kit.db import Database, opened_database
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import Claim, JobRow, JobState, LostLease, claim, enqueue, fence
from tuneloop.kit.migration_operations import APP_ROLE
from tuneloop.kit.migrations import migrate
from tuneloop.retraining.jobs import TrainCandidate
from tuneloop.retraining.service import approve_retrain
from tuneloop.tables import Agency, CycleState, RetrainingCycle

pytestmark = [pytest.mark.failure_case(14), pytest.mark.timeout(600)]


@pytest.fixture
def standby(engines_folder: Path) -> Iterator[Standby]:
    with TemporaryDirectory(dir=engines_folder) as folder:
        Path(folder).chmod(0o755)
        with with_standby(Path(folder)) as started:
            migrate(started.primary_url)
            yield started


@pytest.fixture
def first(standby: Standby) -> Iterator[Database]:
    with opened_database(as_application(standby.primary_url)) as database:
        yield database


@pytest.fixture
def second(standby: Standby) -> Iterator[Database]:
    with opened_database(as_application(standby.url)) as database:
        yield database


def as_application(url: str) -> str:
    return url.replace("//postgres:", f"//{APP_ROLE}:", 1)


def taken(database: Database, job_id: UUID, *, worker: str) -> Claim:
    with database.all_agencies() as session:
        held = claim(session, job_id, worker=worker)
    assert held is not None
    return held


def approve(database: Database, agency: Agency, cycle_id: UUID) -> None:
    with database.unit(agency.id) as session:
        approve_retrain(session, principal=owner_of(agency), cycle_id=cycle_id, digest=PLAN)


def trainings(database: Database, agency: Agency) -> list[str]:
    with database.unit(agency.id) as session:
        return list(session.exec(select(JobRow.state).where(JobRow.name == TrainCandidate.name)))


def test_a_standby_that_is_waited_for_knows_every_approval_and_every_claim(
    standby: Standby, first: Database, second: Database
) -> None:
    agency = make_agency(first, "north")
    workshop = make_workshop(first, agency, ["order"])
    standby.wait_for_it()
    with first.unit(agency.id) as session:
        cycle_id = workshop.asked(session)
    approve(first, agency, cycle_id)
    with first.unit(agency.id) as session:
        job_id = session.get_one(RetrainingCycle, cycle_id).job_id
    assert job_id is not None
    held = taken(first, job_id, worker="first")
    standby.take_over()
    with second.unit(agency.id) as session:
        assert session.get_one(RetrainingCycle, cycle_id).state is CycleState.APPROVED
        assert fence(session, held).worker == "first"
    with second.all_agencies() as session:
        assert claim(session, held.job_id, worker="second") is None
    assert trainings(second, agency) == [JobState.RUNNING]
    figure(14, "PostgreSQL killed with a standby that is waited for: approval and claim are there, once")


def test_what_a_lagging_standby_never_heard_of_is_lost_and_not_done_twice(
    standby: Standby, first: Database, second: Database
) -> None:
    agency = make_agency(first, "north")
    workshop = make_workshop(first, agency, ["order"])
    with first.unit(agency.id) as session:
        cycle_id = workshop.asked(session)
        errand = enqueue(session, Errand(subject=new_id()), agency_id=agency.id)
    assert errand is not None
    standby.fall_behind()
    approve(first, agency, cycle_id)
    lost = taken(first, errand, worker="first")
    standby.take_over()
    assert trainings(second, agency) == []
    approve(second, agency, cycle_id)
    assert trainings(second, agency) == [JobState.QUEUED]
    again = taken(second, errand, worker="second")
    assert again.token == lost.token, "as if nobody had had it"
    with second.unit(agency.id) as session, pytest.raises(LostLease):
        fence(session, lost)
    with second.unit(agency.id) as session:
        assert fence(session, again).worker == "second"
    figure(14, "PostgreSQL killed with a standby that lags: a lost approval is asked again, a lost claim refused")

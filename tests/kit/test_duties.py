"""What fails is set aside, reported and tried again later; nothing else waits for it."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from sqlmodel import Session, col, update

from tests.support.sample_jobs import Errand
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import (
    LOST_JOBS,
    Duty,
    JobRow,
    JobState,
    Queue,
    UnreadableJob,
    claim,
    enqueue,
    notify_due,
    perform,
)
from tuneloop.kit.jobs.duties import FIRST_PAUSE, SLICE, SetAside
from tuneloop.kit.jobs.lease import cancel, put_off
from tuneloop.kit.jobs.scheduler import NOTIFYING, tick
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Agency

GONE = "test.gone"


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def counting(acted: list[UUID], rows: list[UUID], broken: Callable[[UUID], bool]) -> Duty:
    def act(_session: Session, row: UUID) -> None:
        if broken(row):
            raise KeyError(row)
        acted.append(row)

    return Duty("count", lambda _session: rows, act)


def test_a_broken_row_keeps_no_other_waiting_and_is_tried_less_and_less_often(database: Database) -> None:
    rows = [new_id() for _ in range(3)]
    acted: list[UUID] = []
    tried: list[UUID] = []
    clock = Clock()
    aside = SetAside(clock)

    def first_is_broken(row: UUID) -> bool:
        if row == rows[0]:
            tried.append(row)
        return row == rows[0]

    duty = counting(acted, rows, first_is_broken)
    for seconds in (0.0, FIRST_PAUSE - 1, FIRST_PAUSE + 1, 2 * FIRST_PAUSE, 3 * FIRST_PAUSE + 2):
        clock.now = seconds
        perform(database, duty, aside)
    assert acted == rows[1:] * 5
    assert len(tried) == 3


def test_a_row_s_writes_are_its_own_transaction(database: Database, session: TenantSession, agency: Agency) -> None:
    ids = [enqueue(session, Errand(subject=new_id()), agency_id=agency.id) for _ in range(2)]

    def act(inner: Session, row: UUID) -> None:
        inner.execute(update(JobRow).where(col(JobRow.id) == row).values(error="seen"))
        if row == ids[0]:
            raise ValueError("broken after it has written")

    assert perform(database, Duty("note", lambda _session: [each for each in ids if each], act)) == 1
    session.expire_all()
    assert [session.get_one(JobRow, each).error for each in ids] == [None, "seen"]


def test_a_broker_that_is_down_keeps_no_duty_from_being_done(
    database: Database, session: TenantSession, agency: Agency
) -> None:
    """Redis's errors are not Python's ConnectionError."""
    enqueue(session, Errand(subject=new_id()), agency_id=agency.id)
    acted: list[UUID] = []

    def down(_queue: Queue, _wanted: int) -> int:
        raise RuntimeError("no broker")

    rows, aside = [new_id()], SetAside()
    tick(database, partial(notify_due, database, down), [counting(acted, rows, lambda _row: False)], aside)
    assert acted == rows
    assert NOTIFYING in aside


def test_a_duty_with_ten_thousand_rows_keeps_no_other_waiting_for_longer_than_its_slice(database: Database) -> None:
    rows, acted, clock = [new_id() for _ in range(10)], list[UUID](), Clock()

    def slow(_session: Session, row: UUID) -> None:
        clock.now += 0.4 * SLICE
        acted.append(row)

    duty = Duty("slow", lambda _session: [row for row in rows if row not in acted], slow)
    assert [perform(database, duty, SetAside(clock)) for _ in range(4)] == [3, 3, 3, 1]


@pytest.fixture
def gone(session: TenantSession, agency: Agency) -> UUID:
    """A running job of a class that nobody has imported; its worker is lost and its attempts are used."""
    job_id = enqueue(session, Errand(subject=new_id()), agency_id=agency.id)
    assert job_id is not None
    claim(session, job_id, worker="w")
    late = now() - timedelta(minutes=1)
    values = {"name": GONE, "attempts": Errand.max_attempts, "lease_until": late}
    session.execute(update(JobRow).where(col(JobRow.id) == job_id).values(**values))
    return job_id


def test_a_lost_job_that_nobody_knows_is_put_off_with_the_reason_and_others_are_taken_back(
    database: Database, session: TenantSession, agency: Agency, gone: UUID
) -> None:
    other = enqueue(session, Errand(subject=new_id()), agency_id=agency.id)
    assert other is not None
    claim(session, other, worker="w")
    session.execute(update(JobRow).where(col(JobRow.id) == other).values(lease_until=now() - timedelta(seconds=1)))
    perform(database, LOST_JOBS)
    session.expire_all()
    row = session.get_one(JobRow, gone)
    assert (row.state, "no job 'test.gone' is known here" in (row.error or "")) == (JobState.RUNNING, True)
    assert row.lease_until is not None
    assert row.lease_until > now() + timedelta(minutes=5)
    assert session.get_one(JobRow, other).state is JobState.QUEUED


def test_a_job_of_another_version_is_not_started_and_waits(session: TenantSession, agency: Agency) -> None:
    job_id = enqueue(session, Errand(subject=new_id()), agency_id=agency.id)
    assert job_id is not None
    session.execute(update(JobRow).where(col(JobRow.id) == job_id).values(args={"subject": str(new_id()), "more": 1}))
    with pytest.raises(UnreadableJob, match="another version's"), session.begin_nested():
        claim(session, job_id, worker="w")
    put_off(session, job_id, "another version's")
    row = session.get_one(JobRow, job_id, populate_existing=True)
    assert (row.state, row.attempts, row.error) == (JobState.QUEUED, 0, "another version's")
    assert claim(session, job_id, worker="w") is None


def test_people_can_cancel_what_nobody_knows(session: TenantSession, agency: Agency, gone: UUID) -> None:
    session.execute(update(JobRow).where(col(JobRow.id) == gone).values(state=JobState.QUEUED))
    assert cancel(session, gone) is None
    assert session.get_one(JobRow, gone).state is JobState.CANCELLED

"""The relay: rows are the truth, a notification is a hint that may be lost."""

from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest
from sqlmodel import Session, col, select, update

from tests.support.sample_jobs import Errand, Mourn
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import LOST_JOBS, JobRow, JobState, Queue, claim, enqueue, finish, notify_due, perform
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Agency


class Notifications:
    """A broker's queues; nobody takes messages out."""

    def __init__(self) -> None:
        self.waiting: Counter[Queue] = Counter()

    def __call__(self, queue: Queue, wanted: int) -> int:
        missing = max(0, wanted - self.waiting[queue])
        self.waiting[queue] += missing
        return missing


@pytest.fixture
def notifications() -> Notifications:
    return Notifications()


def add(session: Session, agency: Agency, **options: object) -> UUID:
    job_id = enqueue(session, Errand(subject=new_id()), agency_id=agency.id, **options)  # type: ignore[arg-type]
    assert job_id is not None
    return job_id


def change(session: Session, job_id: UUID, **values: object) -> None:
    session.execute(update(JobRow).where(col(JobRow.id) == job_id).values(**values))


def row_of(session: Session, job_id: UUID) -> JobRow:
    return session.get_one(JobRow, job_id, populate_existing=True)


def test_a_message_waits_for_each_due_job(
    session: TenantSession, database: Database, agency: Agency, notifications: Notifications
) -> None:
    add(session, agency)
    assert notify_due(database, notifications) == 1
    assert notify_due(database, notifications) == 0
    add(session, agency)
    assert notify_due(database, notifications) == 1
    assert notifications.waiting == {Queue.DEFAULT: 2}


def test_what_the_broker_forgot_is_notified_again_at_once(
    session: TenantSession, database: Database, agency: Agency, notifications: Notifications
) -> None:
    add(session, agency)
    notify_due(database, notifications)
    notifications.waiting.clear()
    assert notify_due(database, notifications) == 1


def test_a_claimed_job_is_not_notified(
    session: TenantSession, database: Database, agency: Agency, notifications: Notifications
) -> None:
    claim(session, add(session, agency), worker="w")
    assert notify_due(database, notifications) == 0


def test_a_delayed_job_neither_rings_nor_can_be_claimed(
    session: TenantSession, database: Database, agency: Agency, notifications: Notifications
) -> None:
    job_id = add(session, agency, delay=timedelta(hours=1))
    assert notify_due(database, notifications) == 0
    assert claim(session, job_id, worker="w") is None


@pytest.mark.parametrize("running", [False, True])
def test_a_live_job_with_the_same_key_is_not_doubled(session: TenantSession, agency: Agency, running: bool) -> None:
    job_id = add(session, agency, dedupe_key="one")
    if running:
        claim(session, job_id, worker="w")
    assert enqueue(session, Errand(subject=new_id()), agency_id=agency.id, dedupe_key="one") is None
    assert len(session.exec(select(JobRow)).all()) == 1


def test_the_key_is_free_again_after_the_job(session: TenantSession, agency: Agency) -> None:
    held = claim(session, add(session, agency, dedupe_key="one"), worker="w")
    assert held is not None
    finish(session, held)
    session.flush()
    add(session, agency, dedupe_key="one")
    assert len(session.exec(select(JobRow)).all()) == 2


def test_a_lost_worker_s_job_is_queued_again(
    session: TenantSession, database: Database, agency: Agency, notifications: Notifications
) -> None:
    job_id = add(session, agency)
    claim(session, job_id, worker="w")
    assert perform(database, LOST_JOBS) == 0
    change(session, job_id, lease_until=now() - timedelta(seconds=1))
    assert perform(database, LOST_JOBS) == 1
    session.flush()
    row = row_of(session, job_id)
    assert (row.state, row.attempts, row.worker) == (JobState.QUEUED, 1, None)
    assert notify_due(database, notifications) == 1


def test_a_job_that_loses_every_worker_is_given_up_and_followed_up(
    session: TenantSession, database: Database, agency: Agency
) -> None:
    job_id = add(session, agency)
    for _ in range(Errand.max_attempts):
        assert claim(session, job_id, worker="w") is not None
        change(session, job_id, lease_until=now() - timedelta(seconds=1))
        perform(database, LOST_JOBS)
        session.flush()
    row = row_of(session, job_id)
    assert row.state == JobState.FAILED
    assert "lost 2 times" in (row.error or "")
    assert claim(session, job_id, worker="w") is None
    (mourning,) = session.exec(select(JobRow).where(JobRow.name == Mourn.name))
    assert mourning.args["reason"] == row.error


def test_a_cancelled_job_of_a_lost_worker_is_not_started_again(
    session: TenantSession, database: Database, agency: Agency
) -> None:
    job_id = add(session, agency)
    claim(session, job_id, worker="w")
    change(session, job_id, cancel_requested=True, lease_until=now() - timedelta(seconds=1))
    perform(database, LOST_JOBS)
    session.flush()
    assert row_of(session, job_id).state == JobState.CANCELLED
    assert session.exec(select(JobRow).where(JobRow.name == Mourn.name)).one().args["reason"] == "cancelled"

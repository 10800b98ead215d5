"""Claims: attempts are counted when taken, and a stale fencing token changes nothing."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

from tests.kit.test_enqueue import add, change, row_of
from tests.support.sample_jobs import Errand
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, NotFound
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import (
    LOST_JOBS,
    Claim,
    JobRow,
    JobState,
    LostLease,
    beat,
    cancel,
    claim,
    enqueue,
    fail,
    fence,
    finish,
)
from tuneloop.kit.jobs.lease import wait
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Agency


@pytest.fixture
def held(session: TenantSession, agency: Agency) -> Claim:
    taken = claim(session, add(session, agency), worker="first")
    assert taken is not None
    return taken


def _expire(session: Session, held: Claim) -> None:
    change(session, held.job_id, lease_until=now() - timedelta(seconds=1))


def _take_back(session: Session, held: Claim) -> None:
    _expire(session, held)
    LOST_JOBS.act(session, held.job_id)
    session.flush()


def test_a_claim_names_the_job_its_attempt_and_its_token(session: TenantSession, held: Claim) -> None:
    row = row_of(session, held.job_id)
    assert isinstance(held.job, Errand)
    assert (held.attempt, held.token) == (1, 1)
    assert (row.state, row.worker, row.attempts) == (JobState.RUNNING, "first", 1)


def test_a_taken_job_cannot_be_claimed(session: TenantSession, held: Claim) -> None:
    assert claim(session, held.job_id, worker="second") is None


def test_an_expired_lease_can_be_taken_over(session: TenantSession, held: Claim) -> None:
    _take_back(session, held)
    again = claim(session, held.job_id, worker="second")
    assert again is not None
    assert (again.attempt, again.token) == (2, 2)


def test_a_heartbeat_keeps_the_lease_and_publishes_progress(session: TenantSession, held: Claim) -> None:
    _expire(session, held)
    assert beat(session, held, {"step": 3}) is False
    row = row_of(session, held.job_id)
    assert row.lease_until is not None
    assert row.lease_until > now()
    assert row.progress == {"step": 3}
    beat(session, held)
    assert row_of(session, held.job_id).progress == {"step": 3}


STALE: dict[str, Callable[[Session, Claim], Any]] = {
    "beat": lambda session, held: beat(session, held, {"step": 9}),
    "fence": fence,
    "finish": finish,
    "fail": lambda session, held: fail(session, held, "late", retry=True),
}


@pytest.mark.failure_case(2)
@pytest.mark.parametrize("action", STALE.values(), ids=STALE.keys())
def test_a_stale_token_changes_nothing(
    session: TenantSession, held: Claim, action: Callable[[Session, Claim], Any]
) -> None:
    _take_back(session, held)
    claim(session, held.job_id, worker="second")
    before = row_of(session, held.job_id).model_dump()
    with pytest.raises(LostLease):
        action(session, held)
    session.flush()
    assert row_of(session, held.job_id).model_dump() == before


def test_a_finished_job_is_over(session: TenantSession, held: Claim) -> None:
    finish(session, held)
    session.flush()
    row = row_of(session, held.job_id)
    assert (row.state, row.error, row.finished_at is not None) == (JobState.SUCCEEDED, None, True)
    assert claim(session, held.job_id, worker="second") is None


def test_a_crash_is_tried_again_after_a_pause(session: TenantSession, agency: Agency) -> None:
    job_id = add(session, agency)
    taken = claim(session, job_id, worker="w")
    assert taken is not None
    assert fail(session, taken, "boom", retry=True) is None
    session.flush()
    row = row_of(session, job_id)
    assert (row.state, row.error, row.attempts) == (JobState.QUEUED, "boom", 1)
    assert row.next_try_at == row.run_after


def test_what_is_waited_for_costs_no_attempt_until_patience_ends(session: TenantSession, agency: Agency) -> None:
    job_id = add(session, agency, until=now() + timedelta(hours=1))
    for tries in range(1, 6):
        taken = claim(session, job_id, worker="w")
        assert taken is not None
        assert wait(session, taken, "the serving host is away", at_least=timedelta(seconds=30)) is None
        row = row_of(session, job_id)
        assert (row.state, row.attempts, row.setbacks) == (JobState.QUEUED, 0, tries)
        assert row.run_after > now() + timedelta(seconds=25)
        assert claim(session, job_id, worker="w") is None
        change(session, job_id, run_after=now() - timedelta(seconds=1))
    change(session, job_id, give_up_at=now() - timedelta(seconds=1))
    taken = claim(session, job_id, worker="w")
    assert taken is not None
    follow_up = wait(session, taken, "the serving host is away")
    row = row_of(session, job_id)
    assert (row.state, row.error) == (JobState.FAILED, "the serving host is away; given up after 6 tries")
    assert follow_up is not None


@pytest.mark.parametrize("retry", [False, True])
def test_a_job_without_further_attempts_fails_and_names_its_follow_up(
    session: TenantSession, held: Claim, retry: bool
) -> None:
    change(session, held.job_id, max_attempts=1)
    follow_up = fail(session, held, "bad data", retry=retry)
    session.flush()
    assert row_of(session, held.job_id).state == JobState.FAILED
    assert follow_up is not None
    assert follow_up.model_dump()["reason"] == "bad data"


def test_cancelling_a_queued_job_stops_it_at_once(session: TenantSession, agency: Agency) -> None:
    job_id = add(session, agency)
    follow_up = cancel(session, job_id)
    session.flush()
    assert row_of(session, job_id).state == JobState.CANCELLED
    assert follow_up is not None
    assert claim(session, job_id, worker="w") is None


def test_cancelling_a_running_job_tells_it_at_its_next_heartbeat(session: TenantSession, held: Claim) -> None:
    assert cancel(session, held.job_id) is None
    session.flush()
    assert row_of(session, held.job_id).state == JobState.RUNNING
    assert beat(session, held) is True
    fail(session, held, "stopped", retry=True)
    session.flush()
    assert row_of(session, held.job_id).state == JobState.CANCELLED


def test_cancelling_a_finished_or_unknown_job_says_so(session: TenantSession, held: Claim) -> None:
    finish(session, held)
    session.flush()
    with pytest.raises(Conflict, match="already succeeded"):
        cancel(session, held.job_id)
    with pytest.raises(NotFound):
        cancel(session, new_id())


def test_another_agency_cannot_claim(session: TenantSession, agency: Agency, held: Claim) -> None:
    enqueue(session, Errand(subject=new_id()), agency_id=agency.id)
    waiting = session.exec(select(JobRow).where(JobRow.state == JobState.QUEUED)).one()
    session.agency_id = new_id()
    assert claim(session, waiting.id, worker="thief") is None


def test_after_a_standby_took_over_that_had_not_heard_of_it_a_claim_is_stale_though_its_token_comes_again(
    session: TenantSession, held: Claim
) -> None:
    change(session, held.job_id, state=JobState.QUEUED, fencing_token=0, attempts=0)
    again = claim(session, held.job_id, worker="second")
    assert again is not None
    assert again.token == held.token
    with pytest.raises(LostLease):
        fence(session, held)
    assert fence(session, again).worker == "second"

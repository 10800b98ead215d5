"""A worker's run of one job: success, failure, crash, cancellation, and a lease lost on the way."""

import threading
from datetime import timedelta
from pathlib import Path
from typing import ClassVar
from uuid import UUID

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError
from sqlmodel import col, select, update

from tests.support.committed import Committed
from tests.support.sample_jobs import Errand, Mourn
from tuneloop.kit.clock import now
from tuneloop.kit.errors import InvalidInput, Unavailable
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import LOST_JOBS, Job, JobRow, JobState, LostLease, cancel, claim, enqueue
from tuneloop.kit.jobs.runtime import Cancelled, Interrupted, JobContext, Runtime, handles
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.tables import Client


class Succeed(Errand):
    name: ClassVar[str] = "test.succeed"


class Refuse(Errand):
    name: ClassVar[str] = "test.refuse"


class Crash(Errand):
    name: ClassVar[str] = "test.crash"


class MissHost(Errand):
    name: ClassVar[str] = "test.miss_host"


class Stop(Errand):
    name: ClassVar[str] = "test.stop"


class DropDatabase(Errand):
    name: ClassVar[str] = "test.drop_database"


class GiveBack(Errand):
    name: ClassVar[str] = "test.give_back"


class LoseLease(Errand):
    name: ClassVar[str] = "test.lose_lease"


def _add_client(context: JobContext, slug: str) -> None:
    with context.unit() as session:
        session.add(Client(slug=slug, name=slug))


@handles(Succeed)
def succeed(context: JobContext, _job: Succeed) -> None:
    _add_client(context, "made-by-job")


@handles(Refuse)
def refuse(_context: JobContext, _job: Refuse) -> None:
    raise InvalidInput("the golden set is empty; import one")


@handles(Crash)
def crash(context: JobContext, _job: Crash) -> None:
    _add_client(context, "before-the-crash")
    raise RuntimeError("out of luck")


@handles(MissHost)
def miss_host(_context: JobContext, _job: MissHost) -> None:
    raise Unavailable("the serving host is away", retry_after_seconds=600)


@handles(Stop)
def stop(context: JobContext, _job: Stop) -> None:
    with context.reading() as session:
        cancel(session, context.held.job_id)
    raise Cancelled


refusals: list[str] = []


@handles(DropDatabase)
def drop_database(_context: JobContext, _job: DropDatabase) -> None:
    """The next two transactions find no database."""
    refusals.extend(["the database is away"] * 2)


@handles(GiveBack)
def give_back(_context: JobContext, _job: GiveBack) -> None:
    raise Interrupted


@handles(LoseLease)
def lose_lease(context: JobContext, _job: LoseLease) -> None:
    _take_over(context)
    _add_client(context, "too-late")


def _take_over(context: JobContext) -> None:
    """What happens to a worker that was stopped for longer than its lease."""
    with context.reading() as session:
        late = update(JobRow).where(col(JobRow.id) == context.held.job_id)
        session.execute(late.values(lease_until=now() - timedelta(seconds=1)))
        LOST_JOBS.act(session, context.held.job_id)
        session.flush()
        assert claim(session, context.held.job_id, worker="second") is not None


class World:
    """A worker's runtime on a database of its own connections."""

    def __init__(self, committed: Committed, storage: Storage, folder: Path) -> None:
        self.database, self.agency = committed
        self.runtime = Runtime(self.database, storage, Settings(data_dir=folder))

    def run(self, job: Job) -> JobRow:
        job_id = self.enqueue(job)
        self.runtime.run(job_id)
        return self.row(job_id)

    def enqueue(self, job: Job) -> UUID:
        with self.database.unit(self.agency.id) as session:
            job_id = enqueue(session, job, agency_id=self.agency.id)
        assert job_id is not None
        return job_id

    def row(self, job_id: UUID) -> JobRow:
        with self.database.unit(self.agency.id) as session:
            return session.get_one(JobRow, job_id)

    def clients(self) -> list[str]:
        with self.database.unit(self.agency.id) as session:
            return list(session.exec(select(Client.slug)))

    def mournings(self) -> list[JobRow]:
        with self.database.unit(self.agency.id) as session:
            return list(session.exec(select(JobRow).where(JobRow.name == Mourn.name)))


@pytest.fixture
def world(committed: Committed, storage: Storage, tmp_path: Path) -> World:
    return World(committed, storage, tmp_path)


@pytest.fixture
def context(world: World, storage: Storage, tmp_path: Path) -> JobContext:
    job_id = world.enqueue(Succeed(subject=new_id()))
    with world.database.all_agencies() as session:
        held = claim(session, job_id, worker="first")
    assert held is not None
    return JobContext(world.database, storage, Settings(data_dir=tmp_path), held, threading.Event())


class OneBeat(threading.Event):
    """Lets a heartbeat thread's loop run once, without waiting for it."""

    beats = 0

    def wait(self, timeout: float | None = None) -> bool:
        self.beats += 1
        return self.beats > 1


def test_a_job_that_succeeds_is_done_and_its_writes_are_there(world: World) -> None:
    row = world.run(Succeed(subject=new_id()))
    assert (row.state, row.attempts, row.error) == (JobState.SUCCEEDED, 1, None)
    assert world.clients() == ["made-by-job"]


def test_a_domain_error_is_final_and_followed_up(world: World) -> None:
    row = world.run(Refuse(subject=new_id()))
    assert (row.state, row.attempts) == (JobState.FAILED, 1)
    assert row.error == "the golden set is empty; import one"
    assert [mourning.args["reason"] for mourning in world.mournings()] == [row.error]


def test_a_crash_is_tried_again_and_keeps_what_was_committed(world: World) -> None:
    row = world.run(Crash(subject=new_id()))
    assert (row.state, row.attempts, row.error) == (JobState.QUEUED, 1, "RuntimeError")
    assert row.run_after > now()
    assert world.clients() == ["before-the-crash"]
    assert world.mournings() == []


def test_what_may_pass_is_waited_for_at_no_cost(world: World) -> None:
    row = world.run(MissHost(subject=new_id()))
    assert (row.state, row.attempts, row.setbacks) == (JobState.QUEUED, 0, 1)
    assert row.error == "the serving host is away"
    assert row.run_after > now() + timedelta(minutes=9)
    assert world.mournings() == []


def test_a_suspended_worker_learns_of_its_loss_before_it_does_anything_more(context: JobContext) -> None:
    _take_over(context)
    context.check()
    context._pulse -= 60
    with pytest.raises(LostLease):
        context.check()


def test_the_end_of_a_job_is_recorded_once_the_database_is_back(world: World, engine: Engine) -> None:
    def refuse(*_: object) -> None:
        if refusals:
            raise OperationalError("select 1", {}, Exception(refusals.pop()))

    job_id = world.enqueue(DropDatabase(subject=new_id()))
    event.listen(engine, "begin", refuse)
    try:
        world.runtime.run(job_id)
    finally:
        event.remove(engine, "begin", refuse)
    row = world.row(job_id)
    assert (row.state, row.attempts, refusals) == (JobState.SUCCEEDED, 1, [])


def test_a_job_that_crashes_every_time_is_given_up(world: World) -> None:
    job_id = world.enqueue(Crash(subject=new_id()))
    with world.database.unit(world.agency.id) as session:
        session.get_one(JobRow, job_id).max_attempts = 1
    world.runtime.run(job_id)
    assert world.row(job_id).state == JobState.FAILED
    assert len(world.mournings()) == 1


def test_a_cancelled_job_ends_as_cancelled(world: World) -> None:
    row = world.run(Stop(subject=new_id()))
    assert (row.state, row.error) == (JobState.CANCELLED, "cancelled")
    assert [mourning.args["reason"] for mourning in world.mournings()] == ["cancelled"]


def test_a_worker_that_lost_its_lease_writes_nothing_more(world: World) -> None:
    row = world.run(LoseLease(subject=new_id()))
    assert (row.state, row.worker, row.attempts) == (JobState.RUNNING, "second", 2)
    assert world.clients() == []
    assert world.mournings() == []


def test_a_worker_that_shuts_down_hands_its_job_back(world: World) -> None:
    row = world.run(GiveBack(subject=new_id()))
    assert (row.state, row.attempts, row.worker) == (JobState.QUEUED, 0, None)
    assert world.mournings() == []


def test_a_finished_job_is_not_run_again(world: World) -> None:
    job_id = world.enqueue(Succeed(subject=new_id()))
    world.runtime.run(job_id)
    world.runtime.run(job_id)
    assert world.clients() == ["made-by-job"]
    assert world.row(job_id).attempts == 1


def test_the_heartbeat_publishes_progress(world: World, context: JobContext) -> None:
    context.report(stage="training", step=3)
    context.keep_alive(OneBeat())
    assert world.row(context.held.job_id).progress == {"stage": "training", "step": 3}
    context.check()


def test_the_heartbeat_brings_the_wish_to_cancel(world: World, context: JobContext) -> None:
    with world.database.unit(world.agency.id) as session:
        cancel(session, context.held.job_id)
    context.keep_alive(OneBeat())
    with pytest.raises(Cancelled):
        context.check()


def test_the_heartbeat_notices_a_lost_lease(context: JobContext) -> None:
    _take_over(context)
    context.keep_alive(OneBeat())
    with pytest.raises(LostLease):
        context.check()


def test_the_heartbeat_survives_a_database_that_is_away(context: JobContext, engine: Engine) -> None:
    context.database.engine = engine.execution_options(isolation_level="NO SUCH LEVEL")
    context.keep_alive(OneBeat())
    context.check()


def test_the_workspace_is_the_same_for_the_next_worker(world: World, context: JobContext, storage: Storage) -> None:
    (context.workspace / "checkpoint").write_text("step 3")
    _take_over(context)
    again = JobContext(context.database, storage, context.settings, context.held._replace(token=2), threading.Event())
    assert (again.workspace / "checkpoint").read_text() == "step 3"

"""What is old goes in the night, in small steps, but for what something still rests on."""

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, func, select

from tests.gateway.world import World, make_world
from tests.support.runtime import silent_runtime
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.jobs import JobRow, JobState, enqueue, perform
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.kit.tenancy import Row
from tuneloop.retention import handlers
from tuneloop.retention.jobs import SweepAgency
from tuneloop.retention.scheduled_tasks import SWEEPING
from tuneloop.tables import (
    AuditEvent,
    CycleState,
    Example,
    Feedback,
    FeedbackKind,
    Mail,
    MailAttempt,
    MailState,
    MonthClose,
    Pool,
    Prediction,
    RegisteredModel,
    RetrainingCycle,
    ReviewItem,
    ReviewPurpose,
    Source,
    Trigger,
    User,
    WebSession,
)

OLD = timedelta(days=500)


@pytest.fixture
def world(database: Database) -> World:
    return make_world(database)


class Sweep:
    def __init__(self, database: Database, storage: Storage, folder: Path, world: World) -> None:
        self._runtime = silent_runtime(database, storage, Settings(data_dir=folder))
        self._database, self._world = database, world

    def __call__(self) -> dict[str, int]:
        """The sums that the audit log tells of it."""
        with self._database.unit(self._world.agency.id) as session:
            job_id = enqueue(session, SweepAgency(), agency_id=self._world.agency.id)
        assert job_id is not None
        self._runtime.run(job_id)
        with self._database.unit(self._world.agency.id) as session:
            job = session.get_one(JobRow, job_id)
            assert (job.state, job.error) == (JobState.SUCCEEDED, None)
            told = session.exec(select(AuditEvent).where(AuditEvent.action == "retention.delete")).all()
            return dict(told[-1].detail["deleted"]) if told else {}


@pytest.fixture
def sweep(database: Database, storage: Storage, tmp_path: Path, world: World) -> Sweep:
    return Sweep(database, storage, tmp_path, world)


def answer(world: World, age: timedelta) -> Prediction:
    return Prediction(
        client_id=world.client.id,
        model_id=world.model.id,
        version_id=world.v10.id,
        digest=world.v10.digest,
        at=now() - age,
        messages=[{"role": "user", "content": "Where is it?"}],
        answer="order",
    )


def add(world: World, *rows: Row) -> None:
    with world.database.unit(world.agency.id) as session:
        for row in rows:
            session.add(row)
            session.flush()


def left(world: World, table: Any) -> int:
    with world.database.unit(world.agency.id) as session:
        return int(session.exec(select(func.count()).select_from(table)).one())


def test_old_answers_go_and_young_ones_stay(world: World, sweep: Sweep) -> None:
    add(world, *(answer(world, OLD) for _ in range(3)), answer(world, timedelta(days=399)))
    assert sweep() == {"predictions": 3}
    assert left(world, Prediction) == 1


def test_an_answer_that_somebody_spoke_about_stays(world: World, sweep: Sweep) -> None:
    reported, labelled, taught, plain = (answer(world, OLD) for _ in range(4))
    about: dict[str, Any] = {"client_id": world.client.id, "model_id": world.model.id}
    add(world, reported, labelled, taught, plain)
    add(
        world,
        Feedback(**about, prediction_id=reported.id, kind=FeedbackKind.ERROR),
        ReviewItem(**about, purpose=ReviewPurpose.SAMPLE, reason="drawn", prediction_id=labelled.id, messages=[]),
        Example(
            **about,
            pool=Pool.GOLDEN,
            messages=[],
            expected="order",
            category="order",
            source=Source.IMPORT,
            content_hash="f" * 64,
            minhash=b"",
            prediction_id=taught.id,
        ),
    )
    assert sweep() == {"predictions": 1}
    assert {row.id for row in world.predictions()} == {reported.id, labelled.id, taught.id}


def test_nothing_goes_while_a_cycle_of_the_model_is_open(world: World, sweep: Sweep) -> None:
    cycle = RetrainingCycle(
        client_id=world.client.id,
        model_id=world.model.id,
        trigger=Trigger.MANUAL,
        recipe={},
        state=CycleState.COMPARED,
    )
    add(world, answer(world, OLD), cycle)
    assert sweep() == {}
    with world.database.unit(world.agency.id) as session:
        session.get_one(RetrainingCycle, cycle.id).state = CycleState.REJECTED
    assert sweep() == {"predictions": 1}


@pytest.mark.parametrize(("sent", "expected"), [(False, {}), (True, {"predictions": 1})])
def test_what_a_month_that_is_not_closed_counts_stays(
    world: World, sweep: Sweep, sent: bool, expected: dict[str, int]
) -> None:
    old = answer(world, OLD)
    month = f"{old.at:%Y-%m}"
    done = now() if sent else None
    add(world, old, MonthClose(client_id=world.client.id, month=month, metered_at=now(), sent_at=done))
    assert sweep() == expected


def test_a_model_s_policy_goes_before_the_installation_s_setting(world: World, sweep: Sweep) -> None:
    add(world, answer(world, timedelta(days=100)))
    assert sweep() == {}
    with world.database.unit(world.agency.id) as session:
        session.get_one(RegisteredModel, world.model.id).policy = {"keep_predictions_days": 90}
    assert sweep() == {"predictions": 1}


def job(world: World, state: JobState, age: timedelta, **more: Any) -> JobRow:
    at = now() - age
    ended = None if state in (JobState.QUEUED, JobState.RUNNING) else at
    return JobRow(
        agency_id=world.agency.id,
        name="test",
        queue="default",
        args={},
        max_attempts=1,
        state=state,
        created_at=at,
        finished_at=ended,
        run_after=now() + OLD,
        **more,
    )


def test_jobs_go_once_they_are_over_and_no_cycle_shows_them(world: World, sweep: Sweep) -> None:
    shown = job(world, JobState.SUCCEEDED, OLD)
    waiting, young = job(world, JobState.QUEUED, OLD), job(world, JobState.FAILED, timedelta(days=50))
    add(world, shown, waiting, young, job(world, JobState.SUCCEEDED, OLD), job(world, JobState.CANCELLED, OLD))
    add(
        world,
        RetrainingCycle(
            client_id=world.client.id,
            model_id=world.model.id,
            trigger=Trigger.MANUAL,
            recipe={},
            state=CycleState.FAILED,
            job_id=shown.id,
        ),
    )
    assert sweep() == {"jobs": 2}
    with world.database.unit(world.agency.id) as session:
        kept = set(session.exec(select(JobRow.id).where(JobRow.name == "test")))
    assert kept == {shown.id, waiting.id, young.id}


def test_gpu_time_of_a_month_that_is_not_closed_stays_countable(world: World, sweep: Sweep) -> None:
    old = job(world, JobState.SUCCEEDED, OLD, client_id=world.client.id)
    add(world, old, MonthClose(client_id=world.client.id, month=f"{old.created_at:%Y-%m}"))
    assert sweep() == {}


def test_a_mail_goes_with_its_attempts_and_never_before_it_is_done(world: World, sweep: Sweep) -> None:
    def mail(state: MailState, key: str) -> Mail:
        return Mail(
            agency_id=world.agency.id,
            dedupe_key=key,
            subject_kind="report",
            subject_id="1",
            recipient_email="c@acme.example",
            recipient_name="C",
            sender_email="a@north.example",
            sender_name="N",
            subject="s",
            text="t",
            html="h",
            state=state,
            created_at=now() - timedelta(days=900),
        )

    sent, queued = mail(MailState.SENT, "1"), mail(MailState.QUEUED, "2")
    add(world, sent, queued, MailAttempt(agency_id=world.agency.id, mail_id=sent.id, number=1))
    assert sweep() == {"mails": 1}
    assert left(world, MailAttempt) == 0
    assert left(world, Mail) == 1


def test_a_session_goes_a_month_after_it_expired(world: World, sweep: Sweep, database: Database) -> None:
    def session_of(user: User, name: str, expired: timedelta) -> WebSession:
        return WebSession(
            token_hash=name,
            user_id=user.id,
            session_agency_id=world.agency.id,
            csrf_token="c",
            expires_at=now() - expired,
        )

    user = User(email="ann@north.example", name="Ann")
    with database.all_agencies() as session:
        session.add(user)
        session.flush()
        session.add_all([session_of(user, "a", timedelta(days=31)), session_of(user, "b", timedelta(days=29))])
    assert sweep() == {"sessions": 1}


def test_another_agency_s_rows_are_its_own_business(world: World, sweep: Sweep, database: Database) -> None:
    other = make_world(database)
    add(other, answer(other, OLD))
    assert sweep() == {}
    assert left(other, Prediction) == 1


def test_many_go_in_steps_of_a_bounded_size(
    world: World, sweep: Sweep, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    add(world, *(answer(world, OLD) for _ in range(7)))
    sizes: list[int] = []
    delete = handlers._delete

    def counted(session: Session, rule: Any) -> int:
        sizes.append(delete(session, rule))
        return sizes[-1]

    monkeypatch.setattr(handlers, "BATCH", 3)
    monkeypatch.setattr(handlers, "_delete", counted)
    assert sweep() == {"predictions": 7}
    assert Counter(sizes)[3] == 2
    assert max(sizes) == 3


def test_each_agency_has_one_sweep_ahead_in_the_night(world: World, database: Database) -> None:
    def planned() -> list[datetime]:
        with database.unit(world.agency.id) as session:
            return list(session.exec(select(JobRow.run_after).where(JobRow.name == SweepAgency.name)))

    perform(database, SWEEPING)
    perform(database, SWEEPING)
    (due,) = planned()
    assert now() < due <= now() + timedelta(days=1)
    assert due.hour == 2

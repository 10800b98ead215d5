"""The calendar: what plan and domain suggest, what people change, and what an alert overrides."""

from datetime import timedelta

import pytest
from sqlmodel import select

from tests.monitoring.traffic import Traffic, read
from tests.support.checks import mark_checked
from tests.support.cycles import Workshop
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.errors import InvalidInput, NotFound
from tuneloop.kit.jobs import perform
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.proposal import propose_due_retrain
from tuneloop.monitoring.scheduled_tasks import CALENDARS, TASKS
from tuneloop.monitoring.schedules import COLLECT, change_schedule, suggested
from tuneloop.tables import (
    AdapterVersion,
    AuditEvent,
    Client,
    Domain,
    Example,
    JobRow,
    Plan,
    Pool,
    Schedule,
    ScheduledTask,
    Source,
    Trigger,
)


def calendar(session: TenantSession) -> dict[ScheduledTask, Schedule]:
    return {row.task: row for row in session.exec(select(Schedule))}


@pytest.mark.parametrize(
    ("plan", "domain", "days"),
    [
        (Plan.STANDARD, Domain.CUSTOMER_SUPPORT, 30),
        (Plan.STANDARD, Domain.LEGAL, 91),
        (Plan.STANDARD, Domain.ECOMMERCE, 30),
        (Plan.PREMIUM, Domain.ECOMMERCE, 14),
        (Plan.PREMIUM, Domain.HEALTHCARE, 91),
        (Plan.STANDARD, Domain.FINANCE, 91),
        (Plan.PREMIUM, Domain.FINANCE, 30),
        (Plan.PREMIUM, Domain.INTERNAL_KNOWLEDGE, 30),
    ],
)
def test_retraining_follows_plan_and_domain(plan: Plan, domain: Domain, days: int) -> None:
    assert suggested(plan, domain)[ScheduledTask.RETRAIN] == (days, False)


def test_the_basic_plan_monitors_and_proposes_nothing() -> None:
    tasks = suggested(Plan.BASIC, Domain.ECOMMERCE)
    assert tasks[ScheduledTask.RETRAIN].paused
    assert tasks[ScheduledTask.READING] == (7, False)


def test_the_calendar_begins_with_the_first_deployment(session: TenantSession, version: AdapterVersion) -> None:
    """The canary is due within the hour, to measure how many answers change from run to run."""
    tasks = calendar(session)
    assert {task: row.every_days for task, row in tasks.items()} == {
        ScheduledTask.READING: 7,
        ScheduledTask.CANARY: 7,
        ScheduledTask.RETRAIN: 30,
    }
    assert tasks[ScheduledTask.CANARY].next_at <= now() + timedelta(hours=1)


def test_what_is_due_becomes_one_job_and_gets_its_next_date(
    database: Database, session: TenantSession, version: AdapterVersion
) -> None:
    calendar(session)[ScheduledTask.READING].next_at = now() - timedelta(minutes=1)
    session.flush()
    assert perform(database, TASKS) == 1
    assert perform(database, TASKS) == 0
    session.expire_all()
    (job,) = session.exec(select(JobRow)).all()
    assert (job.name, job.args) == ("monitoring.read", {"model_id": str(version.model_id)})
    assert calendar(session)[ScheduledTask.READING].next_at > now() + timedelta(days=6)


def test_a_model_from_before_there_was_a_calendar_gets_one(
    database: Database, session: TenantSession, version: AdapterVersion
) -> None:
    for row in calendar(session).values():
        session.delete(row)
    session.flush()
    assert perform(database, CALENDARS) == 1
    assert len(calendar(session)) == 3


def test_a_person_s_change_outlives_a_change_of_plan(
    database: Database, session: TenantSession, workshop: Workshop, version: AdapterVersion, principal: Principal
) -> None:
    """What nobody changed follows the plan the next time it is due."""
    change_schedule(session, principal=principal, model=workshop.model, task=ScheduledTask.READING, every_days=3)
    client = session.get_one(Client, workshop.client.id)
    client.plan, client.domain = Plan.PREMIUM, Domain.ECOMMERCE
    for row in calendar(session).values():
        row.next_at = now() - timedelta(minutes=1)
    session.flush()
    assert perform(database, TASKS) == 3
    session.expire_all()
    assert {task: row.every_days for task, row in calendar(session).items()} == {
        ScheduledTask.READING: 3,
        ScheduledTask.CANARY: 7,
        ScheduledTask.RETRAIN: 14,
    }
    row = change_schedule(
        session, principal=principal, model=workshop.model, task=ScheduledTask.READING, suggested_again=True
    )
    assert (row.every_days, row.custom) == (7, False)


def test_changes_that_make_no_sense_are_refused(
    session: TenantSession, workshop: Workshop, principal: Principal
) -> None:
    with pytest.raises(NotFound, match="no schedule reading"):
        change_schedule(session, principal=principal, model=workshop.model, task=ScheduledTask.READING, every_days=3)


@pytest.mark.usefixtures("version")
def test_an_interval_has_limits(session: TenantSession, workshop: Workshop, principal: Principal) -> None:
    for days in (0, 367):
        with pytest.raises(InvalidInput, match="between 1 and 366"):
            change_schedule(
                session, principal=principal, model=workshop.model, task=ScheduledTask.READING, every_days=days
            )


def test_a_proven_fall_brings_the_retrain_forward(session: TenantSession, workshop: Workshop, traffic: Traffic) -> None:
    for _ in range(2):
        traffic.bad_week()
        read(session, workshop)
    assert calendar(session)[ScheduledTask.RETRAIN].next_at <= now() + COLLECT


def test_a_due_retrain_is_proposed_only_with_something_to_learn(
    session: TenantSession, workshop: Workshop, traffic: Traffic, principal: Principal
) -> None:
    """With an open alert the question comes back in a few days, and the cycle names the alert."""
    for _ in range(2):
        traffic.bad_week()
        read(session, workshop)
    retrain = calendar(session)[ScheduledTask.RETRAIN]
    retrain.next_at = now() + timedelta(days=30)
    assert propose_due_retrain(session, principal=principal, model=workshop.model) is None
    assert retrain.next_at <= now() + COLLECT
    skipped = select(AuditEvent).where(AuditEvent.action == "retrain.not_proposed")
    assert "only 0 new training examples" in session.exec(skipped).one().detail["reason"]
    traffic.label(traffic.answers(20), "rental", source=Source.CORRECTION)
    assert session.exec(select(Example).where(Example.pool == Pool.TRAINING)).first() is not None
    mark_checked(session, workshop.model)
    cycle = propose_due_retrain(session, principal=principal, model=workshop.model)
    assert cycle is not None
    assert (cycle.trigger, cycle.alert_id is not None) == (Trigger.ALERT, True)
    assert propose_due_retrain(session, principal=principal, model=workshop.model) is None

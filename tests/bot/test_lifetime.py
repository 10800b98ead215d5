"""A message follows what it is about: progress, failure and retry, what is over, calls for an answer."""

from datetime import timedelta
from uuid import UUID

from sqlmodel import Session, select

from tests.bot.office import Office, shown
from tests.bot.test_commands import add_training
from tests.bot.test_messages import alert_world
from tests.support.cycles import Workshop
from tests.support.factories import make_base
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.jobs import JobRow, JobState
from tuneloop.kit.principal import Principal
from tuneloop.monitoring.alerts import dismiss, notify_again
from tuneloop.registry.service import point
from tuneloop.retraining.approvals import questions
from tuneloop.tables import (
    ActorKind,
    Alert,
    Alias,
    CycleState,
    RegisteredModel,
    RetrainingCycle,
    Role,
    SlackInstallation,
    SlackMessage,
)
from tuneloop_bot.message_sync import refresh
from tuneloop_local.emulators.slack.client import EmulatorMessage


def training(session: Session, cycle_id: UUID, step: int) -> None:
    """The cycle's job has come so far."""
    cycle = session.get_one(RetrainingCycle, cycle_id)
    job = session.get(JobRow, cycle.job_id) if cycle.job_id else None
    if job is None or job.state is not JobState.RUNNING:
        job = JobRow(client_id=cycle.client_id, name="x", queue="gpu", args={}, max_attempts=1, state=JobState.RUNNING)
        session.add(job)
        session.flush()
    job.progress = {"stage": "training", "step": step, "steps": 200}
    cycle.state, cycle.job_id, cycle.updated_at = CycleState.TRAINING, job.id, now()


def expire(session: Session, cycle_id: UUID) -> None:
    (asked,) = questions(session, cycle_id)
    asked.requested_at, asked.expires_at = now() - timedelta(hours=2), now() - timedelta(seconds=1)
    session.add(asked)


def _at(north: Office, ts: str) -> EmulatorMessage:
    (found,) = [each for each in north.messages() if each.ts == ts]
    return found


def test_progress_shows_in_the_message_that_asked_every_few_seconds_at_most(north: Office, workshop: Workshop) -> None:
    with north.database.unit(north.agency.id) as session:
        cycle_id = workshop.asked(session)
    north.tick()
    (question,) = [each for each in north.messages() if "approve_retrain" in each.actions]
    north.click("Otto", question, "approve_retrain")
    with north.database.unit(north.agency.id) as session:
        training(session, cycle_id, 84)
    before = now()
    north.tick()
    assert "Training ▓▓▓▓░░░░░░ 40 %" in shown(_at(north, question.ts).content)
    with north.database.unit(north.agency.id) as session:
        training(session, cycle_id, 89)
        assert refresh(session, north.settings) == 0, "nothing new to show below five percent"
        message = session.exec(select(SlackMessage)).one()
        assert message.not_before >= before + timedelta(seconds=3)
        message.not_before = now() + timedelta(minutes=1)
        training(session, cycle_id, 130)
        assert refresh(session, north.settings) == 0, "shown a moment ago"
        message.not_before = now()
        refresh(session, north.settings)
    north.work()
    assert "Training ▓▓▓▓▓▓░░░░ 65 %" in shown(_at(north, question.ts).content)
    assert len(north.messages()) == 1


def test_a_failure_tells_its_cause_and_is_retried_once(north: Office, workshop: Workshop) -> None:
    add_training(north, workshop)
    with north.database.unit(north.agency.id) as session:
        failed = session.get_one(RetrainingCycle, workshop.asked(session))
    north.tick()
    with north.database.unit(north.agency.id) as session:
        cycle = session.get_one(RetrainingCycle, failed.id)
        cycle.state, cycle.failure, cycle.updated_at = CycleState.FAILED, "out of <!channel> memory", now()
    north.tick()
    (message,) = [each for each in north.messages() if "retry" in each.actions]
    assert "out of <!channel> memory" in shown(message.content)
    for who in ("Vera", "Otto", "Olga"):
        north.client.act(
            "click",
            team=north.team,
            user=north.people[who],
            channel=message.channel,
            ts=message.ts,
            action="retry",
        )
    north.work()
    assert "this needs the role operator" in shown(north.told("Vera")[-1].content)
    assert "Proposed again" in shown(north.told("Otto")[-1].content)
    assert "proposed again already" in shown(north.told("Olga")[-1].content)
    assert _at(north, message.ts).actions == []
    assert "There is a newer cycle" in shown(_at(north, message.ts).content)
    (question,) = [each for each in north.messages() if "approve_retrain" in each.actions]
    north.click("Olga", question, "approve_retrain")
    with north.database.unit(north.agency.id) as session:
        states = {cycle.id: cycle.state for cycle in session.exec(select(RetrainingCycle))}
    assert (len(states), states.pop(failed.id), *states.values()) == (2, CycleState.FAILED, CycleState.APPROVED)


def test_roll_back_is_gone_once_a_newer_version_is_in_production(north: Office, workshop: Workshop) -> None:
    def deployed(numbers: tuple[str, str]) -> None:
        with north.database.unit(north.agency.id) as session:
            cycle = session.get_one(RetrainingCycle, workshop.judged(session, "promote", numbers=numbers))
            cycle.state, cycle.updated_at = CycleState.DEPLOYED, now()
            point(session, workshop.model, Alias.PREVIOUS, cycle.parent_version_id)
            point(session, workshop.model, Alias.PRODUCTION, cycle.candidate_version_id)
        north.tick()

    deployed(("1.0", "1.1"))
    (first,) = [each for each in north.messages() if "roll_back" in each.actions]
    with north.database.unit(north.agency.id) as session:
        cycle = session.exec(select(RetrainingCycle)).one()
        cycle.updated_at = now() - timedelta(days=30)
        for installation in session.exec(select(SlackInstallation)):
            installation.news_until = now()
    deployed(("1.2", "1.3"))
    (second,) = [each for each in north.messages() if "roll_back" in each.actions]
    assert second.ts != first.ts


def test_an_alert_that_stays_open_calls_people_in_its_thread_until_it_is_closed(
    north: Office, database: Database
) -> None:
    world = alert_world(north, database, make_base(database))
    north.say("Otto", "status")
    (alert_message,) = [each for each in north.messages() if "snooze" in each.actions]
    with database.unit(north.agency.id) as session:
        alert = session.exec(select(Alert)).one()
        alert.notified_at = now() - timedelta(days=8)
        assert len(notify_again(session, world.model.id)) == 1
    north.tick()
    (called,) = [each for each in north.messages() if "is still open" in shown(each.content)]
    assert called.content["thread_ts"] == alert_message.ts
    assert f"<@{north.people['Otto']}>" in shown(called.content)
    assert "Accuracy fell from 87 % to 70 %" in shown(called.content)
    north.tick()
    assert len([each for each in north.messages() if "is still open" in shown(each.content)]) == 1
    with database.unit(north.agency.id) as session:
        otto = Principal(north.agency.id, Role.OPERATOR, ActorKind.USER, None, "Otto", "test")
        dismiss(session, principal=otto, alert_id=alert.id, reason="a holiday")
    north.tick()
    assert "is dismissed" in shown(_at(north, called.ts).content)


def test_the_week_is_told_once_each_monday(north: Office, workshop: Workshop) -> None:
    monday = now().replace(hour=7, minute=30) + timedelta(days=7 - now().weekday())
    connected = monday - timedelta(days=7)
    for at, told in ((connected, 0), (monday - timedelta(hours=1), 0), (monday, 1), (monday + timedelta(hours=9), 1)):
        with north.database.unit(north.agency.id) as session:
            refresh(session, north.settings, at=at)
        north.work()
        assert len([each for each in north.messages() if "Your week" in shown(each.content)]) == told
    with north.database.unit(north.agency.id) as session:
        refresh(session, north.settings, at=monday + timedelta(days=7))
    north.work()
    digests = [each for each in north.messages() if "Your week" in shown(each.content)]
    assert (len(digests), f"`{workshop.client.slug}/support`" in shown(digests[0].content)) == (2, True)


def test_an_expired_question_is_refused_at_the_click_and_loses_the_button(north: Office, workshop: Workshop) -> None:
    with north.database.unit(north.agency.id) as session:
        cycle_id = workshop.asked(session)
    north.tick()
    (question,) = [each for each in north.messages() if "approve_retrain" in each.actions]
    with north.database.unit(north.agency.id) as session:
        expire(session, cycle_id)
    north.click("Otto", question, "approve_retrain")
    assert "expired" in shown(north.told("Otto")[-1].content)
    assert _at(north, question.ts).actions == ["reject"]
    assert "This question has expired" in shown(_at(north, question.ts).content)


def test_with_four_eyes_the_proposer_asks_and_another_answers(north: Office, workshop: Workshop) -> None:
    add_training(north, workshop)
    with north.database.unit(north.agency.id) as session:
        model = session.get_one(RegisteredModel, workshop.model.id)
        model.policy = {**model.policy, "four_eyes": True}
    north.say("Otto", "retrain acme")
    (question,) = [each for each in north.messages() if "approve_retrain" in each.actions]
    assert "Four-eyes approval" in shown(question.content)
    north.click("Otto", question, "approve_retrain")
    assert "Not done" in shown(north.told("Otto")[-1].content)
    north.click("Olga", question, "approve_retrain")
    assert "Approved. The training begins." in shown(north.told("Olga")[-1].content)

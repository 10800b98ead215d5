"""Two people in the same moment, Slack's repeats in between: one outcome, with real connections and commits."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import NamedTuple

import pytest
from slack_bolt import BoltRequest
from sqlalchemy import Engine
from sqlmodel import col, select

from tests.bot.office import Office, office, shown
from tests.support.committed import committed_agency
from tests.support.cycles import Workshop, make_workshop
from tuneloop.kit.db import Database
from tuneloop.kit.engines import EngineUrls
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import JobRow, Queue
from tuneloop.kit.storage import Storage
from tuneloop.retraining.approvals import questions
from tuneloop.retraining.jobs import TrainCandidate
from tuneloop.tables import Agency, AuditEvent, CycleState, Decision, RetrainingCycle, SlackReceipt
from tuneloop_bot.app import make_app
from tuneloop_bot.sandbox.delivery import Answer, Signed
from tuneloop_bot.sandbox.server import Sandbox

ROUNDS = 4


class Everybody(NamedTuple):
    """An agency at work in Slack; `north` hands requests straight to the app, so that threads really meet in it."""

    database: Database
    agency: Agency
    workshop: Workshop
    north: Office


@pytest.fixture
def everybody(
    engine: Engine, urls: EngineUrls, sandbox: Sandbox, storage: Storage, tmp_path: Path
) -> Iterator[Everybody]:
    with (
        committed_agency(engine, urls) as (database, agency),
        office(sandbox, database, agency, storage, tmp_path) as north,
    ):
        workshop = make_workshop(database, agency, ["order"], base=f"base-{new_id()}")
        app = make_app(north.settings, database)

        def post(_url: str, request: Signed) -> Answer:
            answer = app.dispatch(BoltRequest(body=request.body.decode(), headers=dict(request.headers)))
            return Answer(answer.status, answer.body)

        sandbox.delivery.post = post
        north.say("Ann", "here")
        north.say("Otto", "status")
        north.say("Olga", "status")
        yield Everybody(database, agency, workshop, north)


def take_together(north: Office, threads: int) -> None:
    """Run what waits on the chat queue in several threads at once."""
    with north.database.unit(north.agency.id) as session:
        jobs = list(session.exec(select(JobRow.id).where(JobRow.queue == Queue.CHAT, JobRow.state == "queued")))
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(north.runtime.run, jobs))
    north.work()


def test_whatever_arrives_at_once_has_one_outcome(everybody: Everybody, sandbox: Sandbox) -> None:
    """Otto and Olga double-click in the same moment, and Slack repeats what they sent."""
    database, agency, workshop, north = everybody
    for _ in range(ROUNDS):
        with database.unit(agency.id) as session:
            cycle_id = workshop.asked(session)
        north.tick()
        question = north.client.with_action(north.team, "approve_retrain")
        ready = Barrier(4)

        def click(who: str) -> None:
            ready.wait()  # noqa: B023  (all threads end before the next round)
            north.client.act(
                "click",
                team=north.team,
                user=north.people[who],
                channel=question.channel,  # noqa: B023
                ts=question.ts,  # noqa: B023
                action="approve_retrain",
            )
            sandbox.delivery.repeat(sandbox.delivery.sent[-1])

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(click, ("Otto", "Olga", "Otto", "Olga")))
        take_together(north, 4)
        with database.unit(agency.id) as session:
            cycle = session.get_one(RetrainingCycle, cycle_id)
            (asked,) = questions(session, cycle_id)
            trained = session.exec(select(JobRow).where(JobRow.name == TrainCandidate.name)).all()
            events = session.exec(select(AuditEvent).where(AuditEvent.subject_id == str(cycle_id))).all()
            assert (cycle.state, asked.decision) == (CycleState.APPROVED, Decision.APPROVED)
            assert len([job for job in trained if job.args["cycle_id"] == str(cycle_id)]) == 1
            assert [event.action for event in events].count("approval.approved") == 1
            keys = list(session.exec(select(SlackReceipt.key)))
            assert len(keys) == len(set(keys))
            cycle.state = CycleState.FAILED
        winner = asked.decided_by
        loser = {"Otto": "Olga", "Olga": "Otto"}[str(winner)]
        assert any(f"already approved by {winner}" in shown(each.content) for each in north.told(loser))


def test_an_approval_racing_a_rejection_has_one_outcome_and_tells_the_other(everybody: Everybody) -> None:
    database, agency, workshop, north = everybody
    for _ in range(ROUNDS):
        with database.unit(agency.id) as session:
            cycle_id = workshop.asked(session)
        north.tick()
        question = north.client.with_action(north.team, "approve_retrain")
        north.click("Olga", question, "reject")
        view = north.view("Olga")["id"]
        place = {"channel": question.channel, "ts": question.ts, "action": "approve_retrain"}
        acts = [
            ("click", {"user": north.people["Otto"], **place}),
            ("submit", {"user": north.people["Olga"], "view": view, "values": {"reason": "no"}}),
        ]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda act: north.client.act(act[0], team=north.team, **act[1]), acts))
        take_together(north, 2)
        with database.unit(agency.id) as session:
            cycle = session.get_one(RetrainingCycle, cycle_id)
            (asked,) = questions(session, cycle_id)
            assert (cycle.state, asked.decision, asked.decided_by) in (
                (CycleState.APPROVED, Decision.APPROVED, "Otto"),
                (CycleState.REJECTED, Decision.REJECTED, "Olga"),
            )
            query = select(AuditEvent).where(AuditEvent.action == "slack.refused").order_by(col(AuditEvent.at))
            refused = session.exec(query).all()
            assert refused[-1].actor_name != asked.decided_by
            cycle.state = CycleState.FAILED
        loser = {"Otto": "Olga", "Olga": "Otto"}[str(asked.decided_by)]
        assert f"already {asked.decision} by" in shown(north.told(loser)[-1].content)

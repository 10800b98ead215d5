"""The broker or the database is away at the very click: what was kept is done later, what was not is said."""

import json
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import pytest
from dramatiq import Worker
from dramatiq.brokers.redis import RedisBroker
from redis.exceptions import ConnectionError as RedisConnectionError
from slack_bolt import BoltRequest
from sqlmodel import select

from tests.bot.crowd import Everybody
from tests.bot.office import Office, shown
from tests.support.cycles import Workshop
from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.jobs import JobRow, Queue, notify_due
from tuneloop.kit.jobs.broker import make_broker, notify
from tuneloop.kit.jobs.job import LANES
from tuneloop.kit.jobs.runtime import install
from tuneloop.retraining.jobs import TrainCandidate
from tuneloop.tables import CycleState, RetrainingCycle, SlackReceipt
from tuneloop_bot.app import make_app
from tuneloop_bot.authorize import DOWN
from tuneloop_local.emulators.slack.delivery import AppResponse, Signed, sign
from tuneloop_local.engines import EngineUrls


@pytest.fixture
def broker(urls: EngineUrls) -> Iterator[RedisBroker]:
    broker = make_broker(urls.broker.replace("db=0", "db=6"))
    broker.flush_all()
    yield broker
    broker.client.flushdb()
    broker.close()


def _ring(everybody: Everybody, broker: RedisBroker) -> int:
    return notify_due(everybody.database, partial(notify, broker))


@pytest.mark.failure_case(3)
def test_a_click_while_the_broker_is_down_is_acknowledged_and_done_when_it_is_back(
    everybody: Everybody, broker: RedisBroker
) -> None:
    database, agency, workshop, north = everybody
    with database.unit(agency.id) as session:
        cycle_id = workshop.asked(session)
    north.tick()
    question = north.client.with_action(north.team, "approve_retrain")
    place = {"channel": question.channel, "ts": question.ts, "action": "approve_retrain"}
    for who in ("Otto", "Otto", "Olga"):
        answer = north.client.act("click", team=north.team, user=north.people[who], **place)
        assert answer["status"] == 200
    nowhere = make_broker("redis://127.0.0.1:1/0")
    with pytest.raises(RedisConnectionError):
        _ring(everybody, nowhere)
    with database.unit(agency.id) as session:
        assert session.get_one(RetrainingCycle, cycle_id).state is CycleState.PROPOSED

    install(north.runtime)
    assert _ring(everybody, broker) == LANES[Queue.CHAT].per_agency
    worker = Worker(broker, queues={Queue.CHAT}, worker_timeout=50, worker_threads=2)
    worker.start()
    broker.join(Queue.CHAT)
    worker.join()
    worker.stop()
    with database.unit(agency.id) as session:
        assert session.get_one(RetrainingCycle, cycle_id).state is CycleState.APPROVED
        assert len(session.exec(select(JobRow).where(JobRow.name == TrainCandidate.name)).all()) == 1
        kept = session.exec(select(SlackReceipt).where(SlackReceipt.kind == "action")).all()
        assert all(receipt.answered_at for receipt in kept)
    assert "Approved. The training begins." in "".join(shown(each.content) for each in north.told("Otto"))
    assert "already approved by" in "".join(shown(each.content) for who in ("Otto", "Olga") for each in north.told(who))


@pytest.mark.failure_case(13)
def test_without_its_database_the_app_says_that_nothing_happened(north: Office, workshop: Workshop) -> None:
    """Events are refused, so that Slack repeats them; people who click, type or send a form are told."""
    with north.database.unit(north.agency.id) as session:
        cycle_id = workshop.asked(session, valid_for=timedelta(hours=1))
    north.tick()
    question = north.client.with_action(north.team, "approve_retrain")
    north.click("Otto", question, "reject")
    with north.database.unit(north.agency.id) as session:
        before = len(session.exec(select(SlackReceipt)).all())
    app = make_app(north.settings, Database(make_engine("postgresql://nobody@127.0.0.1:1/none", answer_within=1)))
    whole = north.emulator.delivery.post

    def post(_url: str, request: Signed) -> AppResponse:
        answer = app.dispatch(BoltRequest(body=request.body.decode(), headers=dict(request.headers)))
        return AppResponse(answer.status, answer.body)

    north.emulator.delivery.post = post
    otto = {"team": north.team, "user": north.people["Otto"]}
    place = {"channel": question.channel, "ts": question.ts}
    for act, given in (
        ("command", {"channel": north.channel, "text": "status"}),
        ("click", {**place, "action": "approve_retrain"}),
        ("click", {**place, "action": "reject"}),
    ):
        seen = len(north.told("Otto"))
        north.client.act(act, **otto, **given)
        assert [shown(each.content) for each in north.told("Otto")[seen:]] == [DOWN]
    north.client.act("submit", **otto, view=north.view("Otto")["id"], values={"reason": "no"})
    assert north.view("Otto")["errors"] == {"reason": DOWN}
    event = json.dumps({"type": "event_callback", "team_id": north.team, "event": {"type": "message"}}).encode()
    assert post("", sign(north.emulator.slack.state.app, event, form=False)).status == 503

    north.emulator.delivery.post = whole
    with north.database.unit(north.agency.id) as session:
        assert len(session.exec(select(SlackReceipt)).all()) == before
        assert session.get_one(RetrainingCycle, cycle_id).state is CycleState.PROPOSED
    north.submit("Otto", reason="no")
    with north.database.unit(north.agency.id) as session:
        assert session.get_one(RetrainingCycle, cycle_id).state is CycleState.REJECTED

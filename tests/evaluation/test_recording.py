"""What a service answers is taken down while it lasts, for the money agreed to, and compared with afterwards."""

import threading
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.support.factories import SUPPORT, make_base, make_model
from tests.support.hosted import bring_hosted, example_of, reserved_answer
from tests.support.openai_account import KEY, LAST_DAY, TUNED, order_or_refund, tuned_account
from tests.support.ports import free_port
from tests.support.runtime import silent_runtime
from tuneloop.datasets.service import snapshot_examples, take_snapshot
from tuneloop.evaluation.given import conversation_of
from tuneloop.evaluation.recording import begin_recording, latest_recording, recorded_of, stop_recording
from tuneloop.evaluation.recording_plan import RecordingPlan, plan_recording
from tuneloop.evaluation.results import scored
from tuneloop.evaluation.service import NOT_RECORDED, answers_of, record_run
from tuneloop.kit.db import Database
from tuneloop.kit.errors import Conflict
from tuneloop.kit.jobs import Queue, claim_next, enqueue
from tuneloop.kit.jobs.runtime import JobContext, Runtime
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.jobs import RunCanary
from tuneloop.registry.external import Terms, endpoint_of, find_endpoint, try_service
from tuneloop.registry.service import contract_of
from tuneloop.tables import AdapterVersion, BaseModel, Client, Pool, RegisteredModel
from tuneloop_local.emulators.openai.account import Account
from tuneloop_local.emulators.openai.app import running
from tuneloop_workers.handlers.run_versions import answer_all, exam_of

PRICES = Terms(input_price=Decimal("0.30"), output_price=Decimal("1.20"))
"""Of OpenAI's tuned gpt-4o-mini, for a million tokens."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, secret_key=SecretStr("a key"), reachable_networks="127.0.0.0/8")


@pytest.fixture
def account() -> Account:
    return tuned_account()


@pytest.fixture
def service(account: Account) -> Iterator[str]:
    with running(account, free_port()) as url:
        yield url


@pytest.fixture
def model(database: Database, client_row: Client) -> RegisteredModel:
    made = make_model(database, client_row, make_base(database), contract=SUPPORT)
    with database.unit(client_row.agency_id) as session:
        changed = session.get_one(RegisteredModel, made.id)
        changed.policy = {"gate_share": 0.9}
    return changed


@pytest.fixture
def version(
    session: TenantSession, principal: Principal, model: RegisteredModel, settings: Settings, service: str
) -> AdapterVersion:
    tried = try_service(settings, url=service, model=TUNED, key=KEY)
    made = bring_hosted(session, principal=principal, model=model, tried=tried, settings=settings, terms=PRICES)
    session.add_all(
        example_of(model, f"question {place}: {'money back' if place % 2 else 'where is it'}?", "order")
        for place in range(20)
    )
    session.flush()
    return made


@pytest.fixture
def runtime(database: Database, storage: Storage, settings: Settings) -> Runtime:
    return silent_runtime(database, storage, settings)


def plan(session: TenantSession, model: RegisteredModel, version: AdapterVersion) -> RecordingPlan:
    return plan_recording(session, model=model, version=version, endpoint=find_endpoint(session, version), queries=50)


def begin(
    session: TenantSession, principal: Principal, model: RegisteredModel, version: AdapterVersion, requests: int
) -> None:
    begin_recording(session, principal=principal, model=model, version=version, queries=50, requests=requests)


def test_only_what_is_not_known_is_asked_and_for_no_more_than_was_agreed_to(
    session: TenantSession,
    principal: Principal,
    model: RegisteredModel,
    version: AdapterVersion,
    account: Account,
    runtime: Runtime,
) -> None:
    reserved_answer(session, model, version, "Is it there?", "order")
    reserved_answer(session, model, version, "Give me my money back", "order", digest="a" * 64)
    announced = plan(session, model, version)
    assert (announced.golden, announced.traffic, announced.recorded, announced.asking) == (20, 2, 0, 21)
    with pytest.raises(Conflict, match="it takes 21 requests now, and 20 were agreed to"):
        begin(session, principal, model, version, 20)
    account.asked.clear()
    begin(session, principal, model, version, 21)
    with pytest.raises(Conflict, match="are being recorded"):
        begin(session, principal, model, version, 21)
    assert runtime.run_next(Queue.SLOW)
    session.expire_all()
    recorded = recorded_of(session, version, find_endpoint(session, version))
    assert (recorded.golden, recorded.traffic, recorded.asked, recorded.waiting) == (20, 2, 21, 0)
    assert len(account.asked) == 21
    assert recorded.cost is not None
    assert announced.most_cost is not None
    assert 0 < recorded.cost <= announced.most_cost
    recording = latest_recording(session, version.id)
    assert recording is not None
    assert (recording.problem, recording.ended_at is not None) == (None, True)
    with pytest.raises(Conflict, match="nothing new to record"):
        begin(session, principal, model, version, 21)


def test_a_recording_that_the_service_ends_keeps_what_it_has_and_the_next_one_asks_for_the_rest(
    session: TenantSession,
    principal: Principal,
    model: RegisteredModel,
    version: AdapterVersion,
    account: Account,
    runtime: Runtime,
) -> None:
    said: list[str] = []

    def until_the_key_is_withdrawn(messages: Sequence[dict[str, Any]]) -> str:
        said.append(order_or_refund(messages))
        if len(said) == 16:
            account.keys = {"sk-another"}
        return said[-1]

    account.models[TUNED].answer = until_the_key_is_withdrawn
    begin(session, principal, model, version, 20)
    assert [runtime.run_next(Queue.SLOW), runtime.run_next(Queue.SLOW)] == [True, True]
    session.expire_all()
    recording = latest_recording(session, version.id)
    assert recording is not None
    assert "401" in (recording.problem or "")
    assert "change-external" in (recording.problem or "")
    assert plan(session, model, version).asking == 4
    account.keys = {KEY}
    begin(session, principal, model, version, 4)
    stop_recording(session, principal=principal, version=version)
    assert plan(session, model, version).asking == 4
    begin(session, principal, model, version, 4)
    while runtime.run_next(Queue.SLOW):
        pass
    session.expire_all()
    assert recorded_of(session, version, find_endpoint(session, version)).golden == 20
    assert len(said) == 20


def test_a_version_that_is_gone_is_compared_by_what_was_recorded_of_it(
    session: TenantSession,
    principal: Principal,
    model: RegisteredModel,
    version: AdapterVersion,
    account: Account,
    runtime: Runtime,
) -> None:
    begin(session, principal, model, version, 20)
    assert runtime.run_next(Queue.SLOW)
    session.add(example_of(model, "came too late", "order"))
    endpoint = endpoint_of(session, version.id)
    assert endpoint is not None
    endpoint.ends_on, account.today = LAST_DAY.replace(year=2026), lambda: LAST_DAY
    session.flush()
    account.asked.clear()
    snapshot = take_snapshot(session, model=model, pool=Pool.GOLDEN)
    examples = snapshot_examples(session, snapshot)
    conversations = [conversation_of(example) for example in examples]
    exam = exam_of(session, model, version, conversations)
    enqueue(session, RunCanary(model_id=model.id), agency_id=model.agency_id)
    session.flush()
    with runtime.database.all_agencies() as across:
        held = claim_next(across, Queue.GPU, worker="test")
    assert held is not None
    context = JobContext(runtime.database, runtime.storage, runtime.settings, held, threading.Event())
    (given,) = answer_all(context, [exam], conversations, session.get_one(BaseModel, model.base_id), stage="")
    assert account.asked == []
    results = scored(examples, exam.keys, given, contract_of(model))
    run = record_run(session, version=version, snapshot=snapshot, results=results, reused=20, seconds=1.0)
    assert (run.n, run.correct) == (20, 10)
    assert [each.detail for each in answers_of(session, run)].count(NOT_RECORDED) == 1

"""A shadow test under traffic: nobody sees the candidate, nobody waits for it, and its budget holds."""

import httpx
from openai import OpenAI

from tests.gateway.own_database import OwnDatabase
from tests.gateway.waiting import eventually
from tests.gateway.world import QUESTION, World
from tests.support.upstream import Failure, ScriptedEngine
from tuneloop.gateway.metrics import SHADOWS
from tuneloop.gateway.shadow_plan import ShadowPlan
from tuneloop.gateway.shadows import MOST_AT_ONCE
from tuneloop.kit.clock import now
from tuneloop.kit.ids import new_id
from tuneloop.tables import ShadowAnswer


def ask(http: httpx.Client, name: str = "acme/support", *, store: bool = True) -> str:
    body = {"model": name, "messages": QUESTION} | ({} if store else {"store": False})
    answer = http.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["choices"][0]["message"]["content"])


def counted(outcome: str) -> float:
    return float(SHADOWS.labels(outcome)._value.get())


def shadowed(http: httpx.Client, world: World) -> ShadowAnswer:
    """Ask until the candidate was put a question too; the gateway hears of a test a moment after it began."""
    known = len(world.shadow_answers())
    eventually(lambda: ask(http) and len(world.shadow_answers()) > known)
    return world.shadow_answers()[-1]


def test_the_candidate_answers_behind_production_and_nobody_sees_or_counts_it(
    http: httpx.Client, openai: OpenAI, world: World, engine: ScriptedEngine
) -> None:
    engine.answers = {world.v10.digest: "old", world.v11.digest: "new"}
    test_id = world.begin_shadow()
    first = shadowed(http, world)
    assert (first.answer, first.problem, first.same, first.shadow_test_id) == ("new", "", None, test_id)
    streamed = list(openai.chat.completions.create(model="acme/support", messages=QUESTION, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed if chunk.choices) == "old"
    spoken = streamed[0].id.removeprefix("chatcmpl-")
    eventually(lambda: any(row.prediction_id.hex == spoken.replace("-", "") for row in world.shadow_answers()))
    # What isn't kept, and what names a version, is put to nobody else.
    known = world.asked(test_id)
    assert [ask(http, store=False), ask(http, "acme/support@production"), ask(http, "acme/support@v1.1")] == [
        "old",
        "old",
        "new",
    ]
    world.stop_shadow(test_id)
    assert {ask(http) for _ in range(5)} == {"old"}
    eventually(lambda: len([row for row in world.predictions() if row.version_id == world.v11.id]) == 1)
    assert world.asked(test_id) == known
    answered = {row.id for row in world.predictions() if row.version_id == world.v10.id}
    assert {row.prediction_id for row in world.shadow_answers()} <= answered


def test_together_they_take_no_more_than_the_budget_of_the_day(http: httpx.Client, world: World) -> None:
    before = counted("over_budget")
    test_id = world.begin_shadow(answers=3, days=3)
    shadowed(http, world)
    eventually(lambda: ask(http) and counted("over_budget") > before)
    assert (world.asked(test_id), len(world.shadow_answers())) == (1, 1)


def test_a_candidate_that_hangs_or_fails_costs_no_answer(
    http: httpx.Client, world: World, engine: ScriptedEngine
) -> None:
    test_id = world.begin_shadow()
    engine.failure, engine.failing = Failure(500, {}), world.v11.digest
    failed = shadowed(http, world)
    assert failed.answer is None
    assert "status 500" in failed.problem
    engine.failure = Failure(429, {})
    before = counted("dropped")
    eventually(lambda: ask(http) and counted("dropped") > before + MOST_AT_ONCE)
    said = {row.problem for row in world.shadow_answers()}
    assert said == {failed.problem}, "an engine that has no room says nothing about the candidate"
    engine.failure = None
    while not engine.arrived.empty():
        engine.arrived.get()
    engine.waiting = world.v11.digest
    engine.gate.clear()
    before = counted("dropped")
    assert {ask(http) for _ in range(20)} == {"order"}
    eventually(lambda: counted("dropped") - before >= 20 - MOST_AT_ONCE)
    asked = [engine.arrived.get() for _ in range(engine.arrived.qsize())]
    assert sum(each["model"] == world.v11.digest for each in asked) <= MOST_AT_ONCE
    engine.gate.set()
    world.stop_shadow(test_id)


def test_without_a_database_nobody_is_asked_beside_production(
    http: httpx.Client, world: World, own_database: OwnDatabase
) -> None:
    test_id = world.begin_shadow()
    shadowed(http, world)
    own_database.switch(on=False)
    try:
        before = counted("dropped")
        eventually(lambda: ask(http) and counted("dropped") > before)
    finally:
        own_database.switch(on=True)
    asked = world.asked(test_id)
    eventually(lambda: ask(http) and world.asked(test_id) > asked)


def test_a_share_is_kept_and_nothing_is_taken_after_the_end() -> None:
    plan = ShadowPlan(new_id(), 0.2, now())
    ids = [new_id() for _ in range(10_000)]
    early, late = plan.ends_at.replace(year=plan.ends_at.year - 1), plan.ends_at
    assert abs(sum(plan.takes(each, at=early) for each in ids) / len(ids) - 0.2) < 0.02
    assert not any(plan.takes(each, at=late) for each in ids)

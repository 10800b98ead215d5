"""An A/B test under traffic: everybody keeps their arm, no answer is of two versions, and no database is needed."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import httpx
from openai import OpenAI

from tests.gateway.own_database import OwnDatabase
from tests.gateway.waiting import eventually
from tests.gateway.world import QUESTION, World, make_world
from tests.support.upstream import Failure, ScriptedEngine
from tuneloop.gateway.ab_assignment import Split
from tuneloop.kit.clock import now
from tuneloop.kit.ids import new_id
from tuneloop.tables import Arm, Prediction

OLD, NEW = "acme/support@v1.0", "acme/support@v1.1"
PEOPLE = [f"person {number}" for number in range(30)]


def ask(http: httpx.Client, person: str | None = None, name: str = "acme/support") -> str:
    answer = http.post("/v1/chat/completions", json={"model": name, "messages": QUESTION, "user": person})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["model"])


def both_arms(http: httpx.Client) -> set[str]:
    return {ask(http, person) for person in PEOPLE}


def test_everybody_keeps_their_arm_and_the_log_says_which_also_without_a_database(
    http: httpx.Client, world: World, own_database: OwnDatabase
) -> None:
    answers: list[httpx.Response] = []
    http.event_hooks["response"].append(answers.append)
    test = world.begin_test()
    eventually(lambda: both_arms(http) == {OLD, NEW})
    first = {person: ask(http, person) for person in PEOPLE}
    own_database.switch(on=False)
    try:
        assert {person: ask(http, person) for person in PEOPLE} == first
        nameless = {ask(http) for _ in range(30)}
    finally:
        own_database.switch(on=True)
    assert nameless == {OLD, NEW}
    assert {ask(http, person, "acme/support@production") for person in PEOPLE[:8]} == {OLD}
    rows = eventually(lambda: found if len(found := world.predictions()) == len(answers) else None)
    arms = {world.v10.id: Arm.PRODUCTION, world.v11.id: Arm.CANDIDATE}
    split = Split(test.id, 0.5, now())
    for row in rows[-98:-8]:
        assert (row.ab_test_id, row.arm) == (test.id, arms[row.version_id])
        assert row.digest == {world.v10.id: world.v10.digest, world.v11.id: world.v11.digest}[row.version_id]
        assert split.of(row.end_user or str(row.id)).arm is row.arm
    assert {row.ab_test_id for row in rows[-8:]} == {None}


def test_traffic_through_start_and_end_fails_nothing_and_mixes_nothing(
    openai: OpenAI, world: World, engine: ScriptedEngine
) -> None:
    engine.answers = {world.v10.digest: "old old old", world.v11.digest: "new new new"}
    done = Event()
    seen: list[tuple[str, str]] = []

    def ask_until_done(number: int) -> None:
        asked = 0
        while not done.is_set():
            person = f"{number} {asked % 5}"
            asked += 1
            chunks = list(
                openai.chat.completions.create(model="acme/support", messages=QUESTION, user=person, stream=True)
            )
            seen.append((chunks[0].model, "".join(chunk.choices[0].delta.content or "" for chunk in chunks)))
            assert len({chunk.model for chunk in chunks}) == 1

    with ThreadPoolExecutor(4) as pool:
        askers = [pool.submit(ask_until_done, number) for number in range(4)]
        try:
            for _ in range(2):
                before = len(seen)
                test = world.begin_test()
                eventually(lambda: {OLD, NEW} <= {model for model, _ in seen[before:]})  # noqa: B023
                world.stop_test(test)
                eventually(lambda: len(seen) > 40 and {model for model, _ in seen[-40:]} == {OLD})
        finally:
            done.set()
        for asker in askers:
            asker.result(timeout=30)
    assert set(seen) == {(OLD, "old old old"), (NEW, "new new new")}


def test_production_answers_where_the_candidate_cannot(
    http: httpx.Client, openai: OpenAI, world: World, engine: ScriptedEngine
) -> None:
    world.begin_test()
    eventually(lambda: both_arms(http) == {OLD, NEW})
    # Somebody who asked nothing before the test began: answers are written down some time after they are given.
    person = next(each for each in (f"late-{number}" for number in range(100)) if ask(http, each) == NEW)
    engine.failure, engine.failing = Failure(500, {}), world.v11.digest
    assert ask(http, person) == OLD
    chunks = list(openai.chat.completions.create(model="acme/support", messages=QUESTION, user=person, stream=True))
    assert {chunk.model for chunk in chunks} == {OLD}
    exact = http.post("/v1/chat/completions", json={"model": NEW, "messages": QUESTION, "user": person})
    assert exact.status_code == 502
    engine.failure = None
    assert ask(http, person) == NEW

    def spared() -> list[Prediction] | None:
        mine = [row for row in world.predictions() if row.end_user == person]
        return mine if len({row.arm for row in mine}) == 2 and sum(row.arm is None for row in mine) == 2 else None

    for row in eventually(spared):
        assert (row.version_id == world.v10.id) is (row.arm is None)


def test_a_test_is_void_once_production_moves_and_is_nobody_else_s(
    http: httpx.Client, world: World, base_url: str
) -> None:
    other = make_world(world.database)
    world.begin_test()
    eventually(lambda: both_arms(http) == {OLD, NEW})
    headers = {"Authorization": f"Bearer {other.key}"}
    with httpx.Client(base_url=base_url, headers=headers, trust_env=False, timeout=30) as stranger:
        assert both_arms(stranger) == {OLD}
    assert {row.ab_test_id for row in other.predictions()} <= {None}
    world.promote(world.v11)
    eventually(lambda: both_arms(http) == {NEW})
    world.promote(world.v10)
    eventually(lambda: both_arms(http) == {OLD, NEW})


def test_shares_are_kept_and_tests_divide_people_anew() -> None:
    one, other = Split(new_id(), 0.2, now()), Split(new_id(), 0.2, now())
    arms = [(one.of(str(n)).arm is Arm.CANDIDATE, other.of(str(n)).arm is Arm.CANDIDATE) for n in range(20_000)]
    shares = [sum(pair[place] for pair in arms) / 20_000 for place in (0, 1)]
    both = sum(all(pair) for pair in arms) / 20_000
    assert all(abs(share - 0.2) < 0.015 for share in shares)
    assert abs(both - 0.04) < 0.01

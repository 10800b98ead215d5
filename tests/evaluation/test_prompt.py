"""One prompt, two versions, at once: each by its own name, and nothing of it in the production log."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlmodel import select

from tests.gateway.world import World, make_world
from tests.support.upstream import Failure, ScriptedEngine, scripted_engine
from tuneloop.kit.db import Database
from tuneloop.registry.service import point
from tuneloop.tables import Alias, Prediction, Role

TRY = "/api/v1/models/acme/support/try"


@pytest.fixture
def upstream() -> Iterator[ScriptedEngine]:
    with scripted_engine() as started:
        yield started


@pytest.fixture
def world(database: Database, upstream: ScriptedEngine) -> World:
    world = make_world(database, upstream_url=upstream.url)
    upstream.answers = {world.v10.digest: "order", world.v11.digest: "refund"}
    return world


@pytest.fixture
def http(app: Litestar, world: World) -> Iterator[TestClient[Litestar]]:
    with TestClient(app) as http:
        http.headers["Authorization"] = f"Bearer {world.another_key(role=Role.OPERATOR)}"
        yield http


def test_production_and_candidate_answer_side_by_side(http: TestClient[Litestar], world: World) -> None:
    found = http.post(TRY, json={"prompt": "Where is my parcel?"}).json()
    assert [(each["asked"], each["version"], each["text"]) for each in found["answers"]] == [
        ("production", "acme/support@v1.0", "order"),
        ("candidate", "acme/support@v1.1", "refund"),
    ]
    assert [each["digest"] for each in found["answers"]] == [world.v10.digest, world.v11.digest]
    assert all(0 < each["confidence"] <= 1 for each in found["answers"])
    assert found["same"] is False
    with world.database.unit(world.agency.id) as session:
        assert session.exec(select(Prediction)).all() == []


def test_both_are_asked_before_either_has_answered(http: TestClient[Litestar], upstream: ScriptedEngine) -> None:
    """The engine answers nobody until two questions have arrived."""
    upstream.gate.clear()

    def let_go() -> None:
        asked.extend(upstream.arrived.get(timeout=20) for _ in range(2))
        upstream.gate.set()

    asked: list[dict[str, Any]] = []
    watcher = threading.Thread(target=let_go)
    watcher.start()
    assert http.post(TRY, json={"prompt": "Hello"}).status_code == 200
    watcher.join()
    assert len({question["model"] for question in asked}) == 2


def test_any_version_and_a_conversation_may_be_given(http: TestClient[Litestar], upstream: ScriptedEngine) -> None:
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "?"},
        {"role": "user", "content": "x"},
    ]
    found = http.post(TRY, json={"messages": messages, "versions": ["v1.0"]}).json()
    assert [each["version"] for each in found["answers"]] == ["acme/support@v1.0"]
    assert found["same"] is True


def test_without_a_candidate_the_answer_names_what_is_missing(http: TestClient[Litestar], world: World) -> None:
    with world.database.unit(world.agency.id) as session:
        point(session, world.model, Alias.CANDIDATE, None)
    answer = http.post(TRY, json={"prompt": "Hello"})
    assert answer.status_code == 404
    assert "candidate" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"prompt": ""},
        {"prompt": "x", "messages": [{"role": "user", "content": "x"}]},
        {"prompt": "x", "versions": ["production", "production"]},
        {"prompt": "x", "versions": []},
        {"prompt": "x", "temperature": 2},
    ],
)
def test_a_senseless_question_is_refused(http: TestClient[Litestar], body: dict[str, Any]) -> None:
    assert http.post(TRY, json=body).status_code == 400


def test_an_engine_that_is_down_is_said_to_be(http: TestClient[Litestar], upstream: ScriptedEngine) -> None:
    upstream.failure = Failure(503, {"error": {"message": "loading"}})
    answer = http.post(TRY, json={"prompt": "Hello"})
    assert answer.status_code == 503
    assert "not ready" in answer.json()["error"]["message"]

"""Without its database the gateway answers from its last route table, and logs later."""

from collections.abc import Iterator

import httpx
import pytest

from tests.gateway.own_database import OwnDatabase
from tests.gateway.waiting import eventually
from tests.gateway.world import QUESTION, World
from tuneloop.predictions.completion_ids import prediction_id

pytestmark = pytest.mark.failure_case(13)


@pytest.fixture
def outage(own_database: OwnDatabase) -> Iterator[OwnDatabase]:
    yield own_database
    own_database.switch(on=True)


def ask(http: httpx.Client, name: str = "acme/support") -> httpx.Response:
    return http.post("/v1/chat/completions", json={"model": name, "messages": QUESTION})


def test_answers_during_an_outage_are_stored_after_it(http: httpx.Client, world: World, outage: OwnDatabase) -> None:
    before = ask(http)
    outage.switch(on=False)
    during = [ask(http) for _ in range(5)]
    assert {response.status_code for response in during} == {200}
    ready = http.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"database": "down", "gateway": "up"}), "traffic may come"
    outage.switch(on=True)
    rows = eventually(lambda: world.predictions() if len(world.predictions()) == 6 else None)
    assert {row.id for row in rows} == {prediction_id(answer.json()["id"]) for answer in [before, *during]}


def test_feedback_and_unknown_keys_are_told_to_come_back(
    http: httpx.Client, base_url: str, outage: OwnDatabase
) -> None:
    answer = ask(http).json()["id"]
    outage.switch(on=False)
    feedback = http.post("/v1/feedback", json={"id": answer, "kind": "error"})
    stranger = httpx.post(
        f"{base_url}/v1/chat/completions",
        json={"model": "acme/support", "messages": QUESTION},
        headers={"Authorization": "Bearer tl_new"},
        trust_env=False,
    )
    for response in (feedback, stranger):
        assert response.status_code == 503
        assert response.json()["error"]["type"] == "server_error"
        assert int(response.headers["retry-after"]) > 0
    outage.switch(on=True)
    assert eventually(lambda: http.post("/v1/feedback", json={"id": answer, "kind": "error"}).status_code == 201)


def test_alias_flip_after_an_outage_is_noticed(http: httpx.Client, world: World, outage: OwnDatabase) -> None:
    outage.switch(on=False)
    assert ask(http).json()["model"] == "acme/support@v1.0"
    outage.switch(on=True)
    world.promote(world.v11)
    assert eventually(lambda: ask(http).json()["model"] == "acme/support@v1.1")

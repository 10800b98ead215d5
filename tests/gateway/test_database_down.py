"""Without its database the gateway answers from its last route table, and logs later."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.gateway.own_database import OwnDatabase
from tests.gateway.server import serving
from tests.gateway.waiting import eventually
from tests.gateway.world import QUESTION, World
from tests.support.upstream import ScriptedEngine
from tuneloop.gateway.kept_routes import COUNTS_SECONDS, FILE
from tuneloop.kit.settings import Settings
from tuneloop.predictions.completion_ids import prediction_id

pytestmark = pytest.mark.failure_case(13)


@pytest.fixture
def outage(own_database: OwnDatabase) -> Iterator[OwnDatabase]:
    yield own_database
    own_database.switch(on=True)


def ask(http: httpx.Client, name: str = "acme/support") -> httpx.Response:
    return http.post("/v1/chat/completions", json={"model": name, "messages": QUESTION})


def ask_at(url: str, key: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=30) as http:
        return ask(http)


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
    stranger = ask_at(base_url, "tl_new")
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


def test_a_gateway_that_starts_without_its_database_answers_from_the_routes_that_were_read_last(
    own_database: OwnDatabase, world: World, engine: ScriptedEngine, tmp_path: Path, outage: OwnDatabase
) -> None:
    settings = Settings(data_dir=tmp_path, serve_url=engine.url)
    world.begin_test(share=0.5)
    with serving(settings, own_database) as url:
        before = {ask_at(url, world.key).json()["model"] for _ in range(20)}
    kept = tmp_path / "gateway" / FILE
    assert world.key.encode() not in kept.read_bytes()
    assert kept.stat().st_mode & 0o077 == 0
    outage.switch(on=False)
    with serving(settings, own_database) as url:
        assert {ask_at(url, world.key).json()["model"] for _ in range(20)} == before
        assert ask_at(url, "tl_new").status_code == 503
        assert httpx.get(f"{url}/readyz", trust_env=False).json() == {"database": "down", "gateway": "up"}
        outage.switch(on=True)
        newer = world.another_key()
        assert eventually(lambda: ask_at(url, newer).status_code == 200)


@pytest.mark.parametrize("spoiled", ["old", "torn", "of something else"])
def test_routes_of_long_ago_or_that_cannot_be_read_do_not_count(
    spoiled: str, own_database: OwnDatabase, world: World, engine: ScriptedEngine, tmp_path: Path, outage: OwnDatabase
) -> None:
    settings = Settings(data_dir=tmp_path, serve_url=engine.url)
    with serving(settings, own_database):
        pass
    outage.switch(on=False)
    kept = tmp_path / "gateway" / FILE
    match spoiled:
        case "old":
            long_ago = kept.stat().st_mtime - COUNTS_SECONDS - 60
            os.utime(kept, (long_ago, long_ago))
        case "torn":
            kept.write_bytes(kept.read_bytes()[:-100])
        case _:
            with closing(sqlite3.connect(kept)) as file, file:
                file.execute("update model set content = '{}'")
    with serving(settings, own_database) as url:
        answer = ask_at(url, world.key)
        assert answer.status_code == 503, answer.text
        outage.switch(on=True)
        assert eventually(lambda: ask_at(url, world.key).status_code == 200)

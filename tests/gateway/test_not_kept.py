"""What is answered and leaves nothing behind, whole and streamed, in an A/B test and without a database."""

from typing import Any

import httpx
import pytest
from openai import OpenAI

from tests.gateway.own_database import OwnDatabase
from tests.gateway.waiting import eventually
from tests.gateway.world import QUESTION, World
from tuneloop.predictions.completion_ids import prediction_id

PINGS: list[tuple[str, int | None]] = [
    ("test from litellm", None),
    ("test from litellm", 16),
    ("Hey how's it going?", 5),
    ("What's 1 + 1?", 1),
]


def ask(http: httpx.Client, headers: dict[str, str] | None = None, **said: Any) -> httpx.Response:
    body = {"model": "acme/support", "messages": QUESTION, **said}
    answer = http.post("/v1/chat/completions", json=body, headers=headers or {})
    assert answer.status_code == 200, answer.text
    return answer


def kept_after(http: httpx.Client, world: World) -> set[str]:
    """Ids of what is stored once a later answer is; that one is not among them."""
    last = prediction_id(ask(http).json()["id"])
    eventually(lambda: last in {row.id for row in world.predictions()})
    return {str(row.id) for row in world.predictions() if row.id != last}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, {"store": False}),
        ({"X-Tuneloop-Store": "false"}, {}),
        ({"X-Tuneloop-Store": "false"}, {"store": True}),
        ({}, {"metadata": {"tuneloop_purpose": "test"}}),
        ({"X-Tuneloop-Purpose": "health"}, {}),
        ({}, {"metadata": {"tags": ["litellm-internal-health-check"]}}),
    ],
)
def test_what_must_not_be_kept_is_answered_and_not_stored(
    http: httpx.Client, world: World, headers: dict[str, str], said: dict[str, Any], stream: bool
) -> None:
    answer = ask(http, headers, stream=stream, **said)
    assert "order" in answer.text
    assert answer.headers["X-Tuneloop-Stored"] == "false"
    assert kept_after(http, world) == set()


@pytest.mark.parametrize(("text", "most"), PINGS)
def test_a_ping_of_litellm_is_no_traffic(http: httpx.Client, world: World, text: str, most: int | None) -> None:
    said = [{"role": "user", "content": text}]
    assert ask(http, messages=said, max_tokens=most).headers["X-Tuneloop-Stored"] == "false"
    assert kept_after(http, world) == set()


def test_the_same_words_of_a_person_are_kept(http: httpx.Client) -> None:
    for said in (
        [{"role": "user", "content": "What's 1 + 1?"}],
        [{"role": "user", "content": "Hello"}, {"role": "user", "content": "test from litellm"}],
        [{"role": "user", "content": "I wrote 'test from litellm' and got no answer"}],
    ):
        assert ask(http, messages=said).headers["X-Tuneloop-Stored"] == "true"


def test_openai_s_own_client_says_store_metadata_and_safety_identifier(openai: OpenAI, world: World) -> None:
    openai.chat.completions.create(model="acme/support", messages=QUESTION, store=False)
    kept = openai.chat.completions.create(
        model="acme/support", messages=QUESTION, store=True, metadata={"run": "7"}, safety_identifier="hash-of-ada"
    )
    (row,) = eventually(lambda: world.predictions() or None)
    assert (row.id, row.end_user) == (prediction_id(kept.id), "hash-of-ada")


def test_an_answer_that_was_not_kept_has_no_feedback(http: httpx.Client) -> None:
    answer = ask(http, store=False).json()["id"]
    response = http.post("/v1/feedback", json={"id": answer, "kind": "error"})
    assert response.status_code == 404


def test_both_arms_of_a_test_and_the_buffer_of_an_outage_keep_nothing_either(
    http: httpx.Client, world: World, own_database: OwnDatabase
) -> None:
    world.begin_test()
    people = [f"person {number}" for number in range(12)]
    eventually(lambda: len({ask(http, user=each, store=False).json()["model"] for each in people}) == 2)
    arms = {each: ask(http, user=each, store=False).json()["model"] for each in people}
    own_database.switch(on=False)
    try:
        during = {each: ask(http, user=each, store=False).json()["model"] for each in people}
    finally:
        own_database.switch(on=True)
    assert during == arms
    assert kept_after(http, world) == set()


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"X-Tuneloop-Purpose": "tset"}, {}),
        ({"X-Tuneloop-Store": "no"}, {}),
        ({}, {"metadata": {"tuneloop_purpose": "healthcheck"}}),
    ],
)
def test_a_word_that_is_not_understood_is_refused_instead_of_kept(
    http: httpx.Client, headers: dict[str, str], said: dict[str, Any]
) -> None:
    body = {"model": "acme/support", "messages": QUESTION, **said}
    response = http.post("/v1/chat/completions", json=body, headers=headers)
    assert response.status_code == 400
    assert "must be" in response.json()["error"]["message"]

"""Answers through OpenAI's own client library."""

import json

import httpx
import pytest
from openai import OpenAI

from tests.gateway.waiting import eventually
from tests.gateway.world import QUESTION, World, make_world
from tests.support.upstream import ScriptedEngine
from tuneloop.kit.db import Database
from tuneloop.predictions.completion_ids import prediction_id
from tuneloop.registry.contract import Contract, Decoding, Task, Template
from tuneloop.tables import Role

GENERATE = Contract(
    task=Task.GENERATE,
    template=Template.GEMMA,
    system_prompt="Answer from the facts.",
    decoding=Decoding(max_tokens=32),
)


def test_whole_answer_names_version_and_digest(openai: OpenAI, world: World, engine: ScriptedEngine) -> None:
    answer = openai.chat.completions.create(model="acme/support", messages=QUESTION)
    assert answer.choices[0].message.content == "order"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].logprobs is None
    assert answer.model == "acme/support@v1.0"
    assert answer.system_fingerprint == world.v10.digest[:16]
    assert answer.usage is not None
    assert answer.usage.total_tokens == 8
    assert answer.model_extra == {"tuneloop": {"digest": world.v10.digest, "confidence": 0.9, "margin": 0.8}}
    assert engine.arrived.get(timeout=5)["model"] == world.v10.digest


def test_streamed_answer_equals_the_whole_one(openai: OpenAI, engine: ScriptedEngine) -> None:
    engine.answer = "it ships on Monday"
    whole = openai.chat.completions.create(model="acme/support", messages=QUESTION)
    chunks = list(
        openai.chat.completions.create(
            model="acme/support", messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
    )
    pieces = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
    assert "".join(pieces) == whole.choices[0].message.content
    assert len(pieces) > 3
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage == whole.usage
    assert len({chunk.id for chunk in chunks}) == 1
    assert {chunk.model for chunk in chunks} == {"acme/support@v1.0"}


def test_logprobs_come_whole_and_streamed(openai: OpenAI, engine: ScriptedEngine) -> None:
    engine.answer = "it ships"
    whole = openai.chat.completions.create(model="acme/support", messages=QUESTION, logprobs=True, top_logprobs=2)
    chunks = openai.chat.completions.create(model="acme/support", messages=QUESTION, logprobs=True, stream=True)
    streamed = [chunk.choices[0].logprobs for chunk in chunks]
    assert engine.arrived.get(timeout=5)["top_logprobs"] == 2
    assert whole.choices[0].logprobs is not None
    assert [entry.token for entry in whole.choices[0].logprobs.content or []] == ["it", " ships"]
    assert [entry.token for part in streamed if part for entry in part.content or []] == ["it", " ships"]


def test_every_answer_is_logged_with_its_version_and_confidence(
    openai: OpenAI, world: World, engine: ScriptedEngine
) -> None:
    whole = openai.chat.completions.create(model="acme/support", messages=QUESTION, user="customer-7")
    streamed = list(openai.chat.completions.create(model="acme/support@v1.1", messages=QUESTION, stream=True))
    rows = eventually(lambda: world.predictions() if len(world.predictions()) == 2 else None)
    by_id = {row.id: row for row in rows}
    first, second = by_id[prediction_id(whole.id)], by_id[prediction_id(streamed[0].id)]
    assert (first.digest, first.version_id, first.model_id) == (world.v10.digest, world.v10.id, world.model.id)
    assert (second.digest, second.version_id) == (world.v11.digest, world.v11.id)
    assert (first.answer, first.confidence, first.margin, first.end_user) == ("order", 0.9, 0.8, "customer-7")
    assert (second.answer, second.confidence, second.prompt_tokens) == ("order", 0.9, 7)
    assert first.messages == QUESTION
    assert first.latency_ms > 0


def test_contract_fills_in_what_the_caller_leaves_open(openai: OpenAI, engine: ScriptedEngine) -> None:
    openai.chat.completions.create(model="acme/support", messages=QUESTION)
    openai.chat.completions.create(
        model="acme/support", messages=QUESTION, max_completion_tokens=5, temperature=0.5, seed=3
    )
    default, chosen = engine.arrived.get(timeout=5), engine.arrived.get(timeout=5)
    assert (default["max_tokens"], default["temperature"]) == (64, 0.0)
    assert (chosen["max_tokens"], chosen["temperature"], chosen["seed"]) == (5, 0.5, 3)


def test_text_parts_and_neutral_parameters_are_understood(http: httpx.Client, engine: ScriptedEngine) -> None:
    parts = [{"type": "text", "text": "Where is "}, {"type": "text", "text": "it?"}]
    body = {
        "model": "acme/support",
        "messages": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": parts}],
        "n": 1,
        "top_p": 1.0,
        "tools": None,
        "response_format": {"type": "text"},
    }
    assert http.post("/v1/chat/completions", json=body).status_code == 200
    assert engine.arrived.get(timeout=5)["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Where is it?"},
    ]


def test_model_list_shows_names_the_caller_may_use(openai: OpenAI, base_url: str, world: World) -> None:
    assert [model.id for model in openai.models.list()] == [
        "acme/support",
        "acme/support@candidate",
        "acme/support@production",
        "acme/support@v1.0",
        "acme/support@v1.1",
    ]
    with OpenAI(base_url=f"{base_url}/v1", api_key=world.another_key(role=Role.VIEWER)) as viewer:
        assert [model.id for model in viewer.models.list()] == ["acme/support", "acme/support@production"]
    assert openai.models.retrieve("acme/support").owned_by == "acme"


def test_an_upstream_server_stands_in_for_the_local_engine(
    base_url: str, database: Database, engine: ScriptedEngine
) -> None:
    engine.extra, engine.answer = False, "two days"
    other = make_world(database, GENERATE, upstream_url=f"{engine.url}/v1")
    with OpenAI(base_url=f"{base_url}/v1", api_key=other.key) as client:
        answer = client.chat.completions.create(model="acme/support", messages=QUESTION)
        streamed = list(client.chat.completions.create(model="acme/support", messages=QUESTION, stream=True))
    asked = engine.arrived.get(timeout=5)
    assert answer.choices[0].message.content == "two days"
    assert answer.choices[0].logprobs is None
    assert asked["messages"][0] == {"role": "system", "content": "Answer from the facts."}
    rows = eventually(lambda: other.predictions() if len(other.predictions()) == 2 else None)
    assert [row.confidence for row in rows] == [pytest.approx(0.7788, abs=1e-4)] * 2
    assert streamed[-1].model_extra == {
        "tuneloop": {"digest": other.v10.digest, "confidence": rows[0].confidence, "margin": 0.0}
    }


@pytest.mark.parametrize("stream", [False, True])
def test_an_upstream_server_completes_the_plain_template(
    base_url: str, database: Database, engine: ScriptedEngine, stream: bool
) -> None:
    engine.extra, engine.answer = False, " refund"
    other = make_world(database, upstream_url=engine.url)
    with httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {other.key}"}, trust_env=False) as http:
        body = {"model": "acme/support", "messages": QUESTION, "stream": stream}
        assert http.post("/v1/chat/completions", json=body).status_code == 200
    assert engine.arrived.get(timeout=5)["prompt"] == "Sort the message.\n\nMessage: Where is my parcel?\nAnswer:"
    (row,) = eventually(lambda: other.predictions() or None)
    assert (row.answer, row.completion_tokens) == ("refund", 2)


def test_stream_speaks_server_sent_events(http: httpx.Client) -> None:
    with http.stream(
        "POST", "/v1/chat/completions", json={"model": "acme/support", "messages": QUESTION, "stream": True}
    ) as response:
        lines = [line for line in response.iter_lines() if line]
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["x-request-id"] == json.loads(lines[0].removeprefix("data: "))["id"]
    assert lines[-1] == "data: [DONE]"

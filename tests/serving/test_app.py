"""The host's protocol, asked through HTTP."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.serving.conftest import LABELS, REPLYING, SORTING
from tests.serving.host import Host, running
from tests.support.tiny_models import TinyPair
from tuneloop.registry.contract import Decoding
from tuneloop_workers.serving.servable import LoraFile

MakeHost = Callable[..., Host]
CHAT = "/v1/chat/completions"


@pytest.fixture
def make_host(pair: TinyPair, tmp_path: Path) -> Iterator[MakeHost]:
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(running(Host(tmp_path, pair.gguf, **settings)))


@pytest.fixture
def host(make_host: MakeHost) -> Host:
    return make_host()


def body(digest: str, text: str = "where is my parcel?", **more: Any) -> dict[str, Any]:
    return {"model": digest, "messages": [{"role": "user", "content": text}], **more}


def events(content: bytes) -> list[dict[str, Any]]:
    lines = [line.removeprefix(b"data: ") for line in content.split(b"\n\n") if line]
    assert lines[-1] == b"[DONE]"
    return [orjson.loads(line) for line in lines[:-1]]


def run(scenario: Any) -> Any:
    return asyncio.run(scenario)


def test_a_label_comes_with_digest_confidence_margin_and_all_probabilities(
    host: Host, adapters: list[LoraFile]
) -> None:
    async def scenario() -> None:
        digest = host.publish(SORTING, adapters[0])
        async with host.client() as http:
            answer = (await http.post(CHAT, json=body(digest, logprobs=True, top_logprobs=3))).json()
        choice, extra = answer["choices"][0], answer["tuneloop"]
        assert (answer["object"], answer["model"], extra["digest"]) == ("chat.completion", digest, digest)
        assert set(extra["probabilities"]) == set(LABELS)
        assert extra["probabilities"][choice["message"]["content"]] == extra["confidence"]
        assert extra["margin"] > 0
        assert extra["latency_ms"] > 0
        [entry] = choice["logprobs"]["content"]
        assert entry["token"] == choice["message"]["content"]
        assert len(entry["top_logprobs"]) == 3

    run(scenario())


@pytest.mark.parametrize("contract", [SORTING, REPLYING], ids=["classify", "generate"])
def test_a_streamed_answer_equals_the_whole_one(host: Host, adapters: list[LoraFile], contract: Any) -> None:
    async def scenario() -> None:
        digest = host.publish(contract, adapters[1])
        request = body(digest, logprobs=True, stream_options={"include_usage": True})
        async with host.client() as http:
            whole = (await http.post(CHAT, json=request)).json()
            streamed = await http.post(CHAT, json={**request, "stream": True})
        assert streamed.headers["content-type"].startswith("text/event-stream")
        *chunks, closing, usage = events(streamed.content)
        deltas = [chunk["choices"][0] for chunk in chunks]
        assert deltas[0]["delta"]["role"] == "assistant"
        message = whole["choices"][0]
        assert "".join(delta["delta"]["content"] for delta in deltas) == message["message"]["content"]
        tokens = [entry["token"] for delta in deltas if delta["logprobs"] for entry in delta["logprobs"]["content"]]
        assert tokens == [entry["token"] for entry in message["logprobs"]["content"]]
        assert closing["choices"][0]["finish_reason"] == message["finish_reason"]
        assert closing["tuneloop"]["confidence"] == pytest.approx(whole["tuneloop"]["confidence"], abs=1e-3)
        assert usage["usage"] == whole["usage"]

    run(scenario())


def test_a_loaded_version_is_listed_and_answers(host: Host, adapters: list[LoraFile]) -> None:
    async def scenario() -> None:
        digest = host.publish(SORTING, adapters[0]._replace(scale=0.5), adapters[1]._replace(scale=0.5))
        async with host.client() as http:
            assert (await http.get("/v1/models")).json()["data"] == []
            loaded = await http.post("/internal/load", json={"digest": digest})
            engine = host.dispatcher.identity
            assert loaded.json() == {"digest": digest, "status": "ready", "engine": engine}
            assert [model["id"] for model in (await http.get("/v1/models")).json()["data"]] == [digest]
            assert (await http.post(CHAT, json=body(digest))).status_code == 200

    run(scenario())


def test_an_unknown_version_is_a_404_in_openais_shape(host: Host) -> None:
    async def scenario() -> None:
        async with host.client() as http:
            for path, request in ((CHAT, body("a" * 64)), ("/internal/load", {"digest": "a" * 64})):
                response = await http.post(path, json=request)
                assert response.status_code == 404
                assert response.json()["error"]["type"] == "invalid_request_error"

    run(scenario())


def test_a_version_of_another_base_is_refused(host: Host) -> None:
    async def scenario() -> None:
        digest = host.publish(SORTING, base_sha256="f" * 64)
        async with host.client() as http:
            response = await http.post(CHAT, json=body(digest))
        assert response.status_code == 409
        assert "needs base ffffffffffff" in response.json()["error"]["message"]

    run(scenario())


@pytest.mark.failure_case(16)
def test_a_corrupt_adapter_is_refused_at_load_and_the_previous_version_keeps_serving(
    host: Host, adapters: list[LoraFile], tmp_path: Path
) -> None:
    async def scenario() -> None:
        good, bad = host.publish(SORTING, adapters[0]), host.publish(SORTING, adapters[1])
        (tmp_path / adapters[1].sha256).write_bytes(adapters[1].path.read_bytes()[:-64])
        async with host.client() as http:
            before = (await http.post(CHAT, json=body(good))).json()["tuneloop"]["probabilities"]
            for path, request in ((CHAT, body(bad)), ("/internal/load", {"digest": bad})):
                refused = await http.post(path, json=request)
                assert (refused.status_code, refused.json()["error"]["code"]) == (422, "corrupt_artifact")
            after = (await http.post(CHAT, json=body(good))).json()["tuneloop"]["probabilities"]
            assert after == pytest.approx(before, abs=1e-3)
            host.source.add_file(adapters[1].path)
            assert (await http.post(CHAT, json=body(bad))).status_code == 200

    run(scenario())


def test_concurrent_requests_to_many_versions_each_get_their_own_version(host: Host, adapters: list[LoraFile]) -> None:
    async def scenario() -> None:
        digests = [host.publish(SORTING, adapter) for adapter in adapters]
        async with host.client() as http:
            alone = [(await http.post(CHAT, json=body(digest))).json()["tuneloop"] for digest in digests]
            together = await asyncio.gather(*(http.post(CHAT, json=body(digest)) for digest in digests * 6))
        for response, expected in zip(together, alone * 6, strict=True):
            assert response.json()["tuneloop"]["digest"] == expected["digest"]
            assert response.json()["tuneloop"]["probabilities"] == pytest.approx(expected["probabilities"], abs=4e-3)

    run(scenario())


def test_beyond_the_queue_limit_requests_get_429_with_retry_after(make_host: MakeHost) -> None:
    async def scenario() -> None:
        host = make_host(queue=4, sequences=1)
        digest = host.publish(REPLYING.model_copy(update={"decoding": Decoding(max_tokens=200)}))
        async with host.client() as http:
            await http.post("/internal/load", json={"digest": digest})
            responses = await asyncio.gather(*(http.post(CHAT, json=body(digest)) for _ in range(24)))
        refused = [response for response in responses if response.status_code == 429]
        assert refused
        assert {response.status_code for response in responses} == {200, 429}
        assert refused[0].headers["retry-after"] == "1"
        assert refused[0].json()["error"]["type"] == "rate_limit_error"

    run(scenario())


def test_a_prompt_longer_than_the_context_is_refused_with_counts(host: Host) -> None:
    async def scenario() -> None:
        digest = host.publish(SORTING)
        async with host.client() as http:
            response = await http.post(CHAT, json=body(digest, "where? " * 2000))
        assert response.status_code == 422
        assert "the context holds 1024" in response.json()["error"]["message"]

    run(scenario())


@pytest.mark.parametrize("change", [{"model": "production"}, {"messages": []}, {"max_tokens": 0}, {"temperature": 3}])
def test_malformed_requests_are_refused_in_openais_shape(host: Host, change: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with host.client() as http:
            response = await http.post(CHAT, json={**body("a" * 64), **change})
        assert response.status_code == 400
        assert next(iter(change)) in response.json()["error"]["message"]

    run(scenario())


def test_a_host_with_a_token_answers_only_who_sends_it(make_host: MakeHost) -> None:
    async def scenario() -> None:
        host = make_host(token="secret")
        digest = host.publish(SORTING)
        async with host.client() as http:
            assert (await http.get("/healthz")).status_code == 200
            for path in (CHAT, "/internal/load"):
                assert (await http.post(path, json=body(digest))).status_code == 401
            assert (await http.get("/v1/models")).status_code == 401
            allowed = await http.post(CHAT, json=body(digest), headers={"Authorization": "Bearer secret"})
            assert allowed.status_code == 200

    run(scenario())


def test_a_stopped_engine_is_reported_and_every_request_gets_an_error(host: Host) -> None:
    async def scenario() -> None:
        digest = host.publish(SORTING)
        async with host.client() as http:
            assert (await http.get("/readyz")).json()["engine"] == host.dispatcher.identity
            assert (await http.post(CHAT, json=body(digest))).status_code == 200
            await asyncio.to_thread(host.dispatcher.stop)
            assert (await http.get("/healthz")).status_code == 503
            response = await http.post(CHAT, json=body(digest))
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "unavailable"

    run(scenario())

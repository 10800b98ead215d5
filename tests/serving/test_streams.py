"""Streams over a real socket: callers that leave, and OpenAI's own client."""

import asyncio
from pathlib import Path

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.serving.conftest import REPLYING
from tests.serving.host import Host, running
from tests.support.tiny_models import TinyPair
from tuneloop.registry.contract import Decoding
from tuneloop_workers.serving.engine_thread import Event
from tuneloop_workers.serving.servable import LoraFile

CHAT = "/v1/chat/completions"
LONG = REPLYING.model_copy(update={"decoding": Decoding(max_tokens=900)})


def body(digest: str, *, stream: bool) -> dict[str, object]:
    return {"model": digest, "messages": [{"role": "user", "content": "where is it?"}], "stream": stream}


async def idle(host: Host) -> None:
    """Waits until the engine holds no request; the calls queue behind the cancellation."""
    while await asyncio.wrap_future(host.dispatcher.call(lambda engine: engine.unfinished)):
        pass


def test_a_caller_that_leaves_a_stream_frees_its_sequence(
    pair: TinyPair, adapters: list[LoraFile], tmp_path: Path
) -> None:
    async def scenario(host: Host) -> None:
        digest = host.publish(LONG, adapters[4])
        async with host.listening(tmp_path / "socket") as http:
            async with http.stream("POST", CHAT, json=body(digest, stream=True)) as response:
                assert response.status_code == 200
                await anext(response.aiter_bytes())
                assert await asyncio.wrap_future(host.dispatcher.call(lambda engine: engine.unfinished)) == 1
            await idle(host)
            short = await http.post(CHAT, json=body(digest, stream=False) | {"max_tokens": 2})
            assert short.status_code == 200

    with running(Host(tmp_path, pair.gguf, sequences=1)) as host:
        asyncio.run(scenario(host))


def test_a_caller_that_leaves_before_the_answer_frees_its_sequence(pair: TinyPair, tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        digest = host.publish(LONG)
        async with host.listening(tmp_path / "socket") as http:
            await http.post("/internal/load", json={"digest": digest})
            asked = asyncio.create_task(http.post(CHAT, json=body(digest, stream=False)))
            while not await asyncio.wrap_future(host.dispatcher.call(lambda engine: engine.unfinished)):
                pass
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
            await idle(host)
            short = await http.post(CHAT, json=body(digest, stream=False) | {"max_tokens": 2})
            assert short.json()["usage"]["completion_tokens"] == 2

    with running(Host(tmp_path, pair.gguf, sequences=1)) as host:
        asyncio.run(scenario(host))


def test_openais_client_reads_answers_and_streams(pair: TinyPair, adapters: list[LoraFile], tmp_path: Path) -> None:
    async def scenario(host: Host) -> None:
        digest = host.publish(REPLYING, adapters[1])
        async with host.listening(tmp_path / "socket") as http:
            # Typed for httpx2, and as content with httpx.
            client = openai.AsyncOpenAI(api_key="none", base_url="http://host/v1", http_client=http)  # type: ignore[arg-type]
            messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "where is it?"}]
            whole = await client.chat.completions.create(model=digest, messages=messages, logprobs=True)
            stream = await client.chat.completions.create(model=digest, messages=messages, stream=True)
            chunks = [chunk async for chunk in stream]
            assert [model.id async for model in client.models.list()] == [digest]
        assert whole.choices[0].logprobs is not None
        assert whole.choices[0].logprobs.content
        text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
        assert text == whole.choices[0].message.content
        assert chunks[-1].model_extra is not None
        assert chunks[-1].model_extra["tuneloop"]["digest"] == digest

    with running(Host(tmp_path, pair.gguf)) as host:
        asyncio.run(scenario(host))


def test_a_cancelled_question_gets_nothing_more(pair: TinyPair, tmp_path: Path) -> None:
    seen: list[Event] = []
    with running(Host(tmp_path, pair.gguf)) as host:
        version = host.dispatcher.call(lambda engine: engine.prepare(LONG, [])).result()
        question = host.dispatcher.ask(version, [], version.options(), seen.append, stream=False)
        host.dispatcher.cancel(question)
        host.dispatcher.cancel(question)
        assert host.dispatcher.call(lambda engine: engine.unfinished).result() == 0
    assert seen == []

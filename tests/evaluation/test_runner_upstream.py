import math
import time
from collections.abc import Callable
from typing import Any

import httpx
import orjson
import pytest

from tuneloop.kit.errors import InvalidInput, Unavailable
from tuneloop.registry.contract import Contract, Decoding, Task, Template
from tuneloop.registry.templates import Message
from tuneloop_workers.evaluation.upstream import UpstreamRunner
from tuneloop_workers.serving.answer import EngineAnswer

REPLYING = Contract(
    task=Task.GENERATE,
    system_prompt="Reply.",
    facts="We open at 9.",
    template=Template.CHATML,
    decoding=Decoding(max_tokens=7, stop=("\n",)),
)
SORTING = Contract(task=Task.CLASSIFY, system_prompt="Sort.", labels=("delivery", "refund"))
Handler = Callable[[httpx.Request], httpx.Response]


def ask(text: str) -> list[Message]:
    return [Message(role="user", content=text)]


def run(contract: Contract, handler: Handler, *texts: str, patience: float = 0) -> list[EngineAnswer]:
    transport = httpx.MockTransport(handler)
    with UpstreamRunner("http://vllm:8000/v1/", "m", contract, transport=transport, patience=patience) as runner:
        return runner.answer([ask(text) for text in texts], lambda done, total: None)


def chat(request: httpx.Request) -> httpx.Response:
    body = orjson.loads(request.content)
    tops = [{"token": " nine", "logprob": math.log(0.5)}, {"token": " ten", "logprob": math.log(0.2)}]
    content = [{"token": " nine", "logprob": math.log(0.5), "bytes": None, "top_logprobs": tops}]
    message = {"role": "assistant", "content": f" {body['messages'][-1]['content']} nine"}
    choice = {"index": 0, "message": message, "finish_reason": "length", "logprobs": {"content": content}}
    return httpx.Response(200, json={"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 1}})


def test_chat_answers_keep_order_confidence_and_margin() -> None:
    answers = run(REPLYING, chat, "one", "two", "three")
    assert [answer.text for answer in answers] == ["one nine", "two nine", "three nine"]
    assert answers[0].confidence == pytest.approx(0.5)
    assert answers[0].margin == pytest.approx(0.3)
    assert (answers[0].finish_reason, answers[0].prompt_tokens) == ("length", 9)


def test_the_system_prompt_the_facts_and_the_decoding_are_sent() -> None:
    seen: list[dict[str, Any]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        assert request.url == "http://vllm:8000/v1/chat/completions"
        seen.append(orjson.loads(request.content))
        return chat(request)

    run(REPLYING, handler, "when?")
    assert seen[0]["messages"][0] == {"role": "system", "content": "Reply.\n\nWe open at 9."}
    assert (seen[0]["max_tokens"], seen[0]["stop"], seen[0]["logprobs"]) == (7, ["\n"], True)


def test_plain_prompts_go_as_text_with_the_labels_as_the_only_choices() -> None:
    seen: list[dict[str, Any]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/v1/completions"
        seen.append(orjson.loads(request.content))
        logprobs = {"tokens": [" refund"], "token_logprobs": [-0.1], "top_logprobs": [{" refund": -0.1}]}
        return httpx.Response(200, json={"choices": [{"text": " refund", "logprobs": logprobs}]})

    [answer] = run(SORTING, handler, "money back")
    assert seen[0]["prompt"] == "Sort.\n\nMessage: money back\nAnswer:"
    assert seen[0]["structured_outputs"] == {"choice": [" delivery", " refund"]}
    assert answer.text == "refund"
    assert answer.min_logprob == -0.1


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (httpx.Response(503), Unavailable),
        (httpx.Response(429), Unavailable),
        (httpx.Response(404, json={"error": {"message": "no model m"}}), InvalidInput),
        (httpx.Response(200, text="<html>"), Unavailable),
    ],
)
def test_a_server_that_fails_or_refuses_is_a_domain_error(response: httpx.Response, error: type[Exception]) -> None:
    with pytest.raises(error, match="upstream server"):
        run(REPLYING, lambda request: response, "hello")


@pytest.mark.parametrize("trouble", [httpx.Response(503), httpx.Response(429, headers={"Retry-After": "1"})])
def test_a_server_that_is_away_for_a_moment_costs_no_answers(trouble: httpx.Response) -> None:
    asked: list[float] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(time.monotonic())
        return trouble if len(asked) == 1 else chat(request)

    (answer,) = run(REPLYING, handler, "hello", patience=60)
    assert answer.text == "hello nine"
    assert asked[1] - asked[0] >= float(trouble.headers.get("Retry-After", 0))


def test_whoever_cancels_need_not_wait_for_a_server_that_is_away() -> None:
    class Cancelled(Exception):
        pass

    def progress(done: int, total: int) -> None:
        raise Cancelled

    transport = httpx.MockTransport(lambda request: httpx.Response(429, headers={"Retry-After": "3000"}))
    with (
        UpstreamRunner("http://vllm:8000", "m", REPLYING, transport=transport, patience=9000) as runner,
        pytest.raises(Cancelled),
    ):
        runner.answer([ask("hello")], progress)


def test_one_question_that_the_server_refuses_is_unanswered_and_all_of_them_end_the_run() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if b"too long" in request.content:
            return httpx.Response(400, json={"error": {"message": "the maximum context length is 512"}})
        return httpx.Response(200, json={"choices": [{"message": {"content": "yes"}}]})

    short, long = run(REPLYING, handler, "hello", "too long")
    assert (short.text, short.problem) == ("yes", "")
    assert (long.text, "the maximum context length is 512" in long.problem) == ("", True)
    with pytest.raises(InvalidInput, match="no question was answered"):
        run(REPLYING, handler, "too long", "too long as well")

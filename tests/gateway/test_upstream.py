"""How one question is put to either kind of engine."""

from math import exp

import pytest

from tuneloop.gateway.engine import Ask, Certainty, Extra, TokenEntry
from tuneloop.gateway.errors import EngineFailed
from tuneloop.gateway.routes import Route
from tuneloop.gateway.upstream import LocalEngine, OpenAIServer
from tuneloop.kit.clock import now
from tuneloop.kit.ids import new_id
from tuneloop.registry.contract import Contract, Decoding, Task
from tuneloop.registry.templates import Message

CLASSIFY = Contract(task=Task.CLASSIFY, system_prompt="Sort.", labels=("order", "refund"))
GENERATE = Contract(task=Task.GENERATE, system_prompt="Answer.", facts="Open until 6.", decoding=Decoding(stop=("\n",)))
ASK = Ask(messages=(Message(role="user", content="Hi"),), max_tokens=8, temperature=0.0)
TOKENS = [TokenEntry(token="re", logprob=-0.1), TokenEntry(token="fund", logprob=-0.3)]


def route(contract: Contract) -> Route:
    return Route(
        name="acme/support@v1.0",
        owner="acme",
        agency_id=new_id(),
        client_id=new_id(),
        model_id=new_id(),
        version_id=new_id(),
        digest="d" * 64,
        contract=contract,
        upstream_url=None,
        created_at=now(),
    )


def test_serving_host_gets_digest_messages_and_token() -> None:
    request = LocalEngine("http://127.0.0.1:8100/", "secret").request(route(CLASSIFY), ASK)
    assert request.url == "http://127.0.0.1:8100/v1/chat/completions"
    assert request.headers == {"Authorization": "Bearer secret"}
    assert request.body == {
        "model": "d" * 64,
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 8,
        "temperature": 0.0,
    }


@pytest.mark.parametrize(
    "url", ["http://vllm:8000", "http://vllm:8000/", "http://vllm:8000/v1", "http://vllm:8000/v1/"]
)
def test_upstream_may_be_written_with_or_without_v1(url: str) -> None:
    assert OpenAIServer(url).request(route(CLASSIFY), ASK).url == "http://vllm:8000/v1/chat/completions"


def test_upstream_is_confined_to_the_labels() -> None:
    body = OpenAIServer("http://vllm").request(route(CLASSIFY), ASK).body
    assert body["structured_outputs"] == {"choice": ["order", "refund"]}
    assert body["logprobs"] is True


def test_upstream_gets_the_contracts_prompt_once() -> None:
    repeated = Ask((Message(role="system", content="Answer. "), *ASK.messages), 8, 0.0)
    body = OpenAIServer("http://vllm").request(route(GENERATE), repeated).body
    assert body["messages"] == [
        {"role": "system", "content": "Answer.\n\nOpen until 6."},
        {"role": "user", "content": "Hi"},
    ]
    assert body["stop"] == ["\n"]
    assert "structured_outputs" not in body


def test_upstream_confidence_is_of_the_whole_label_or_of_the_mean_token() -> None:
    server = OpenAIServer("http://vllm")
    assert server.certainty(route(CLASSIFY), TOKENS, None).confidence == pytest.approx(exp(-0.4))
    assert server.certainty(route(GENERATE), TOKENS, None).confidence == pytest.approx(exp(-0.2))
    assert server.certainty(route(GENERATE), [], None) == Certainty(None, None)


def test_serving_host_must_answer_from_the_version_asked() -> None:
    local = LocalEngine("http://127.0.0.1:8100", "")
    right = Extra(digest="d" * 64, confidence=0.7, margin=0.4)
    assert local.certainty(route(CLASSIFY), [], right) == Certainty(0.7, 0.4)
    for wrong in (None, Extra(digest="e" * 64, confidence=0.7, margin=0.4)):
        with pytest.raises(EngineFailed):
            local.certainty(route(CLASSIFY), [], wrong)

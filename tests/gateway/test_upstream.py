"""How one question is put to either kind of engine."""

from math import exp

import pytest

from tuneloop.gateway.engine import Ask, Certainty
from tuneloop.gateway.errors import EngineFailed
from tuneloop.gateway.routes import Route
from tuneloop.gateway.upstream import LocalEngine, OpenAIServer
from tuneloop.gateway.upstream_schemas import Extra, TokenEntry, UpstreamChoice
from tuneloop.kit.clock import now
from tuneloop.kit.ids import new_id
from tuneloop.registry.contract import Contract, Decoding, Task, Template
from tuneloop.registry.templates import Message

CLASSIFY = Contract(task=Task.CLASSIFY, system_prompt="Sort.", labels=("order", "refund"))
CHAT_CLASSIFY = CLASSIFY.model_copy(update={"template": Template.CHATML})
GENERATE = Contract(
    task=Task.GENERATE,
    template=Template.GEMMA,
    system_prompt="Answer.",
    facts="Open until 6.",
    decoding=Decoding(stop=("\n",)),
)
ASK = Ask(messages=(Message(role="user", content="Hi"),), max_tokens=8, temperature=0.0)
TOKENS = [
    TokenEntry(
        token="re", logprob=-0.1, top_logprobs=[{"token": "re", "logprob": -0.1}, {"token": "or", "logprob": -3}]
    ),
    TokenEntry(token="fund", logprob=-0.3, top_logprobs=[{"token": "fund", "logprob": -0.3}]),
]


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
    assert OpenAIServer(url).request(route(CHAT_CLASSIFY), ASK).url == "http://vllm:8000/v1/chat/completions"


def test_plain_template_goes_out_as_the_text_that_was_trained() -> None:
    request = OpenAIServer("http://vllm").request(route(CLASSIFY), ASK)
    assert request.url == "http://vllm/v1/completions"
    assert request.body["prompt"] == "Sort.\n\nMessage: Hi\nAnswer:"
    assert request.body["structured_outputs"] == {"choice": [" order", " refund"]}
    assert request.body["logprobs"] == 5


def test_chat_template_is_confined_to_the_labels() -> None:
    body = OpenAIServer("http://vllm").request(route(CHAT_CLASSIFY), ASK).body
    assert body["structured_outputs"] == {"choice": ["order", "refund"]}
    assert (body["logprobs"], body["top_logprobs"]) == (True, 5)


def test_upstream_gets_the_contracts_prompt_once() -> None:
    repeated = Ask((Message(role="system", content="Answer. "), *ASK.messages), 8, 0.0)
    body = OpenAIServer("http://vllm").request(route(GENERATE), repeated).body
    assert body["messages"] == [
        {"role": "system", "content": "Answer.\n\nOpen until 6."},
        {"role": "user", "content": "Hi"},
    ]
    assert body["stop"] == ["\n"]
    assert "structured_outputs" not in body


def test_upstream_confidence_is_the_mean_token_and_its_margin_the_closest() -> None:
    server = OpenAIServer("http://vllm")
    found = server.certainty(route(GENERATE), [TOKENS[0], TOKENS[0]], None)
    assert found.confidence == pytest.approx(exp(-0.1))
    assert found.margin == pytest.approx(exp(-0.1) - exp(-3))
    assert server.certainty(route(GENERATE), TOKENS, None).confidence == pytest.approx(exp(-0.2))
    assert server.certainty(route(GENERATE), [], None) == Certainty(None, None)


def test_text_completion_is_read_like_a_chat() -> None:
    choice = UpstreamChoice.model_validate(
        {
            "text": " refund",
            "logprobs": {
                "tokens": [" re", "fund"],
                "token_logprobs": [-0.1, -0.3],
                "top_logprobs": [{" re": -0.1}, {}],
            },
        }
    )
    assert choice.text == " refund"
    assert [(token.token, token.logprob) for token in choice.tokens] == [(" re", -0.1), ("fund", -0.3)]
    assert choice.tokens[0].top_logprobs[0]["token"] == " re"


def test_serving_host_must_answer_from_the_version_asked() -> None:
    local = LocalEngine("http://127.0.0.1:8100", "")
    right = Extra(digest="d" * 64, confidence=0.7, margin=0.4)
    assert local.certainty(route(CLASSIFY), [], right) == Certainty(0.7, 0.4)
    for wrong in (None, Extra(digest="e" * 64, confidence=0.7, margin=0.4)):
        with pytest.raises(EngineFailed):
            local.certainty(route(CLASSIFY), [], wrong)

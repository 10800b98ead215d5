"""What clients send beside the question, through OpenAI's own client library."""

from collections.abc import Iterator
from typing import Any

import openai as sdk
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from openai import OpenAI

from tests.gateway.world import QUESTION
from tests.support.web_application import any_application
from tuneloop.gateway.client_parameters import IGNORED_HEADER, without_effect
from tuneloop.gateway.errors import UnsupportedParameter
from tuneloop.gateway.schemas import ChatRequest
from tuneloop.registry.contract import Task

SENT: dict[str, Any] = {
    "parallel_tool_calls": False,
    "service_tier": "auto",
    "tool_choice": "none",
    "stop": ["\n"],
    "top_p": 0.9,
    "frequency_penalty": 0.2,
    "presence_penalty": 0.1,
    "metadata": {"ticket": "7"},
}


@pytest.fixture
def whole() -> Iterator[TestClient[Litestar]]:
    """The whole application, of which the gateway is a part."""
    with TestClient(any_application()) as client:
        yield client


def test_what_changes_no_label_is_taken_and_named(openai: OpenAI) -> None:
    messages: Any = [*QUESTION[:-1], {**QUESTION[-1], "name": "kim"}]
    raw = openai.chat.completions.with_raw_response.create(
        model="acme/support", messages=messages, extra_body={"top_k": 40, "x y": 1}, **SENT
    )
    assert raw.headers[IGNORED_HEADER] == "frequency_penalty, presence_penalty, stop, top_k, top_p"
    assert raw.parse().choices[0].message.content == "order"
    plain = openai.chat.completions.with_raw_response.create(model="acme/support", messages=QUESTION, top_p=1)
    assert IGNORED_HEADER not in plain.headers


@pytest.mark.parametrize("name", ["stop", "top_p", "frequency_penalty", "presence_penalty", "top_k"])
def test_what_would_change_free_text_is_refused_there(name: str) -> None:
    asked = ChatRequest.model_validate({"model": "a/b", "messages": QUESTION, name: 0.5})
    assert without_effect(asked, Task.CLASSIFY) == [name]
    with pytest.raises(UnsupportedParameter, match=f"{name} is not supported by this model; leave it out"):
        without_effect(asked, Task.GENERATE)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("completions", "send the prompt as a user's message to /v1/chat/completions"),
        ("responses", "send the input as messages to /v1/chat/completions"),
        ("embeddings", "these models answer and do not embed"),
        ("images/generations", "use /v1/chat/completions or /v1/models"),
    ],
)
def test_other_addresses_of_openai_are_refused_in_its_shape(whole: TestClient[Litestar], path: str, told: str) -> None:
    response = whole.post(f"/v1/{path}", json={"model": "acme/support", "input": "x"})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["type"]) == (
        404,
        "unsupported_endpoint",
        "invalid_request_error",
    )
    assert told in error["message"]


def test_the_client_library_raises_its_own_error_for_them(whole: TestClient[Litestar]) -> None:
    where = "http://testserver.local/v1"
    client = OpenAI(base_url=where, api_key="tl_x", http_client=whole, max_retries=0)  # type: ignore[arg-type]
    with pytest.raises(sdk.NotFoundError, match="is not served here"):
        client.embeddings.create(model="acme/support", input="x")
    with pytest.raises(sdk.NotFoundError, match="is not served here"):
        client.responses.create(model="acme/support", input="x")

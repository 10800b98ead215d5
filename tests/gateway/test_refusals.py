"""Every refusal has OpenAI's error shape, a status that client libraries act on, and says what to do."""

from pathlib import Path
from typing import Any

import httpx
import openai as sdk
import pytest
from openai import OpenAI

from tests.gateway.own_database import OwnDatabase
from tests.gateway.server import serving
from tests.gateway.world import QUESTION, World
from tests.support.ports import free_port
from tests.support.upstream import Failure, ScriptedEngine
from tuneloop.kit.settings import Settings

ASK: dict[str, Any] = {"model": "acme/support", "messages": QUESTION}


def refused(response: httpx.Response, status: int, code: str, param: str | None = None) -> str:
    """Asserts the shape; returns the message."""
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["code"], error["param"]) == (code, param)
    return str(error["message"])


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer tl_wrong"}, {"Authorization": "Basic eA=="}])
def test_invalid_key_is_401(base_url: str, header: dict[str, str]) -> None:
    response = httpx.post(f"{base_url}/v1/chat/completions", json=ASK, headers=header, trust_env=False)
    assert "Bearer tl_" in refused(response, 401, "invalid_api_key")


def test_client_library_raises_its_own_errors(base_url: str, openai: OpenAI) -> None:
    with pytest.raises(sdk.NotFoundError, match="does not exist"):
        openai.chat.completions.create(model="acme/unknown", messages=QUESTION)
    with (
        OpenAI(base_url=f"{base_url}/v1", api_key="tl_wrong", max_retries=0) as stranger,
        pytest.raises(sdk.AuthenticationError),
    ):
        stranger.chat.completions.create(model="acme/support", messages=QUESTION)
    with pytest.raises(sdk.BadRequestError, match="tools"):
        openai.chat.completions.create(
            model="acme/support", messages=QUESTION, tools=[{"type": "function", "function": {"name": "f"}}]
        )


@pytest.mark.parametrize("name", ["acme/unknown", "acme/support@v9.9", "nonsense", "acme/support@previous"])
def test_unknown_model_is_404(http: httpx.Client, name: str) -> None:
    response = http.post("/v1/chat/completions", json=ASK | {"model": name})
    assert name in refused(response, 404, "model_not_found", "model")
    assert http.get(f"/v1/models/{name}").status_code == 404


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"tools": [{"type": "function"}]}, "unsupported_parameter", "tools"),
        ({"response_format": {"type": "json_object"}}, "unsupported_parameter", "response_format"),
        ({"logit_bias": {"5": 1}}, "unsupported_parameter", "logit_bias"),
        ({"tool_choice": "required"}, "unsupported_parameter", "tool_choice"),
        ({"n": 2}, "invalid_value", "n"),
        ({"temperature": 3}, "invalid_value", "temperature"),
        ({"max_tokens": 0}, "invalid_value", "max_tokens"),
        ({"messages": []}, "invalid_value", "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "invalid_value", "messages.0.role"),
    ],
)
def test_unsupported_or_invalid_parameter_is_400_and_named(
    http: httpx.Client, change: dict[str, Any], code: str, param: str
) -> None:
    message = refused(http.post("/v1/chat/completions", json=ASK | change), 400, code, param)
    assert param.split(".", maxsplit=1)[0] in message


def test_image_part_is_400(http: httpx.Client) -> None:
    part = {"type": "image_url", "image_url": {"url": "http://127.0.0.1/x.png"}}
    response = http.post("/v1/chat/completions", json=ASK | {"messages": [{"role": "user", "content": [part]}]})
    assert response.status_code == 400
    assert response.json()["error"]["param"].startswith("messages.0.content")


def test_body_that_is_no_json_is_400(http: httpx.Client) -> None:
    response = http.post("/v1/chat/completions", content=b"{not json", headers={"Content-Type": "application/json"})
    assert "malformed" in refused(response, 400, "invalid_request")


def test_oversized_body_is_413(http: httpx.Client) -> None:
    ask = ASK | {"messages": [{"role": "user", "content": "x" * (1 << 20)}]}
    assert "1 MiB" in refused(http.post("/v1/chat/completions", json=ask), 413, "request_too_large")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (Failure(429, {}, {"Retry-After": "7"}), 429, "rate_limit_exceeded"),
        (Failure(503, {}, {"Retry-After": "7"}), 503, "engine_unavailable"),
        (Failure(500, {}), 502, "engine_error"),
        (Failure(404, {}), 502, "engine_error"),
        (Failure(422, {"error": {"code": "corrupt_artifact", "message": "digest differs"}}), 502, "engine_error"),
        (Failure(400, {"error": {"message": "the prompt has 900 tokens"}}), 400, "invalid_value"),
    ],
)
def test_engine_failure_keeps_its_meaning(
    http: httpx.Client, engine: ScriptedEngine, failure: Failure, status: int, code: str, stream: bool
) -> None:
    engine.failure = failure
    response = http.post("/v1/chat/completions", json=ASK | {"stream": stream})
    message = refused(response, status, code)
    assert response.headers.get("retry-after") == failure.headers.get("Retry-After")
    assert status != 400 or message == "the prompt has 900 tokens"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("raw", [b"<html>", b'{"choices": "none"}', b'{"choices": []}'])
def test_engine_that_speaks_no_openai_is_502(
    http: httpx.Client, engine: ScriptedEngine, raw: bytes, stream: bool
) -> None:
    engine.raw = raw
    message = refused(http.post("/v1/chat/completions", json=ASK | {"stream": stream}), 502, "engine_error")
    assert message.startswith("the engine"), "it says whose fault it is"
    assert "<html>" not in message, "nothing of what the engine said leaks"


def test_answer_of_another_version_is_withheld(http: httpx.Client, engine: ScriptedEngine, world: World) -> None:
    engine.digest = world.v11.digest
    message = refused(http.post("/v1/chat/completions", json=ASK), 502, "engine_error")
    assert "another version" in message


def test_unreachable_engine_is_503(world: World, own_database: OwnDatabase, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, serve_url=f"http://127.0.0.1:{free_port()}")
    with serving(settings, own_database) as url:
        response = httpx.post(
            f"{url}/v1/chat/completions", json=ASK, headers={"Authorization": f"Bearer {world.key}"}, trust_env=False
        )
    refused(response, 503, "engine_unavailable")
    assert response.headers["retry-after"] == "2"


def test_engine_that_dies_mid_stream_ends_with_an_error_event(openai: OpenAI, engine: ScriptedEngine) -> None:
    engine.answer, engine.break_after = "one two three", 2
    stream = openai.chat.completions.create(model="acme/support", messages=QUESTION, stream=True)
    received: list[str] = []
    with pytest.raises(sdk.APIError, match="middle of its answer"):
        received.extend(chunk.choices[0].delta.content or "" for chunk in stream)
    assert engine.arrived.qsize() == 1

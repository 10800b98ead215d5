"""The API as a program sees it."""

from http import HTTPStatus

import httpx
import pytest
from pydantic import BaseModel

from tuneloop.kit.api_client import Api, ApiError, Reply


class Thing(BaseModel):
    name: str


def api(answer: httpx.Response) -> Api:
    return Api(httpx.Client(base_url="http://here", transport=httpx.MockTransport(lambda _: answer)))


def test_an_answer_is_read_as_the_shape_that_was_asked_for() -> None:
    assert api(httpx.Response(200, json=[{"name": "a"}])).get("/things", list[Thing]).value == [Thing(name="a")]


def test_an_answer_of_another_shape_keeps_its_bytes_and_says_what_does_not_fit() -> None:
    reply = Reply(b'[{"title": "a"}]', list[Thing])
    assert reply.raw == b'[{"title": "a"}]'
    with pytest.raises(ApiError, match=r"0\.name: Field required\); use the same version of Tuneloop") as raised:
        _ = reply.value
    assert raised.value.code == "unknown_answer"


def test_a_refusal_has_the_server_s_code_message_and_details() -> None:
    refusal = {"error": {"code": "conflict", "message": "taken", "details": {"slug": "acme"}}}
    with pytest.raises(ApiError, match="taken") as raised:
        api(httpx.Response(409, json=refusal)).post("/things", Thing, {})
    error = raised.value
    assert (error.code, error.status, error.details) == ("conflict", HTTPStatus.CONFLICT, {"slug": "acme"})


def test_what_is_not_a_tuneloop_server_is_told_so() -> None:
    with pytest.raises(ApiError, match="does not look like a Tuneloop server; check --url"):
        api(httpx.Response(502, text="<html>")).get("/things", Thing)


def test_what_is_not_said_is_not_sent_and_truth_is_written_as_json_does() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, json={"name": "a"})

    http = httpx.Client(base_url="http://here", transport=httpx.MockTransport(answer))
    Api(http).get("/things", Thing, partial=True, after=None)
    Api(http).get("/v1/models", Thing)
    assert asked == ["http://here/api/v1/things?partial=true", "http://here/v1/models"]


def test_what_the_path_asks_for_is_sent() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.query.decode())
        return httpx.Response(200, json={"name": "a"})

    here = Api(httpx.Client(base_url="http://here", transport=httpx.MockTransport(answer)))
    here.post("/months/2026-11/close?early=true", Thing)
    assert asked == ["early=true"]

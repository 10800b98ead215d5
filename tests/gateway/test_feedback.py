"""Feedback by completion id, from the client's application."""

from typing import Any

import httpx
import pytest

from tests.gateway.world import QUESTION, World, make_world
from tuneloop.kit.db import Database
from tuneloop.kit.ids import new_id
from tuneloop.predictions.completion_ids import completion_id
from tuneloop.predictions.service import list_feedback
from tuneloop.tables import FeedbackState


@pytest.fixture
def answer(http: httpx.Client) -> str:
    body = {"model": "acme/support", "messages": QUESTION}
    return str(http.post("/v1/chat/completions", json=body).json()["id"])


def send(http: httpx.Client, answer: str, **said: Any) -> httpx.Response:
    return http.post("/v1/feedback", json={"id": answer, **said})


@pytest.mark.parametrize(
    "said",
    [
        {"kind": "rating", "rating": 1, "comment": "useless"},
        {"kind": "error", "comment": "wrong department"},
        {"kind": "correction", "correction": "refund", "reporter": "agent-7"},
    ],
)
def test_feedback_right_after_the_answer_is_stored(
    http: httpx.Client, world: World, answer: str, said: dict[str, Any]
) -> None:
    response = send(http, answer, **said)
    assert response.status_code == 201, response.text
    with world.database.unit(world.agency.id) as session:
        (row,) = list_feedback(session, model_id=world.model.id, limit=10)
    assert completion_id(row.prediction.id) == answer
    assert {name: getattr(row.feedback, name) for name in said} == said
    assert row.feedback.state is FeedbackState.OPEN


def test_feedback_sent_twice_is_stored_once(http: httpx.Client, answer: str) -> None:
    said = {"kind": "correction", "correction": "refund", "reporter": "agent-7"}
    first, second = send(http, answer, **said), send(http, answer, **said)
    another = send(http, answer, **said | {"reporter": "agent-8"})
    assert first.json() == second.json()
    assert another.json()["id"] != first.json()["id"]


def test_label_outside_the_set_is_refused_with_the_allowed_ones(http: httpx.Client, answer: str) -> None:
    response = send(http, answer, kind="correction", correction="refunds")
    assert response.status_code == 422
    error = response.json()["error"]
    assert error["param"] == "correction"
    assert "order, refund, repair" in error["message"]


def test_unknown_and_foreign_ids_are_404(http: httpx.Client, base_url: str, answer: str, database: Database) -> None:
    other = make_world(database)
    with httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {other.key}"}, trust_env=False) as stranger:
        foreign = send(stranger, answer, kind="error")
    unknown = [send(http, name, kind="error") for name in (completion_id(new_id()), "chatcmpl-x", "x" * 40)]
    for response in (foreign, *unknown):
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    "said",
    [
        {"kind": "rating"},
        {"kind": "rating", "rating": 6},
        {"kind": "correction"},
        {"kind": "error", "rating": 1},
        {"kind": "praise"},
    ],
)
def test_feedback_must_say_what_its_kind_promises(http: httpx.Client, answer: str, said: dict[str, Any]) -> None:
    response = send(http, answer, **said)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


def test_feedback_needs_a_key(base_url: str, answer: str) -> None:
    response = httpx.post(f"{base_url}/v1/feedback", json={"id": answer, "kind": "error"}, trust_env=False)
    assert response.status_code == 401

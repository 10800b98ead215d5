"""The production log and the review queue over HTTP."""

from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from tests.predictions.conftest import Log, make_log
from tests.support.factories import make_agency, make_client, make_key
from tuneloop.kit.db import Database
from tuneloop.predictions.completion_ids import completion_id
from tuneloop.predictions.service import report_feedback
from tuneloop.tables import Agency, Feedback, FeedbackKind, Role

PREDICTIONS = "/api/v1/models/acme/support/predictions"
FEEDBACK = "/api/v1/models/acme/support/feedback"

Api = TestClient[Litestar]


@pytest.fixture
def corrections(database: Database, agency: Agency, log: Log) -> list[Feedback]:
    with database.unit(agency.id) as session:
        return [
            report_feedback(session, answer_id=row.id, kind=FeedbackKind.CORRECTION, correction="refund")
            for row in log.rows[:3]
        ]


def names(page: dict[str, Any]) -> list[str]:
    return [item["id"] for item in page["items"]]


def test_pages_go_from_newest_to_oldest_without_gap_or_repeat(api: Api, log: Log) -> None:
    first = api.get(PREDICTIONS, params={"limit": 2}).json()
    second = api.get(PREDICTIONS, params={"limit": 2, "before": first["next"]}).json()
    third = api.get(PREDICTIONS, params={"limit": 2, "before": second["next"]}).json()
    assert names(first) + names(second) + names(third) == [completion_id(row.id) for row in reversed(log.rows)]
    assert third["next"] is None


def test_low_confidence_can_be_picked_out(api: Api, log: Log) -> None:
    page = api.get(PREDICTIONS, params={"confidence_below": 0.25}).json()
    assert [item["confidence"] for item in page["items"]] == [0.2, 0.1]


def test_one_answer_by_completion_id(api: Api, log: Log) -> None:
    found = api.get(f"{PREDICTIONS}/{completion_id(log.rows[0].id)}").json()
    assert (found["answer"], found["messages"]) == ("order", log.rows[0].messages)
    assert api.get(f"{PREDICTIONS}/chatcmpl-unknown").status_code == 404


@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": 501}, {"confidence_below": 2}, {"before": "chatcmpl-x"}])
def test_bad_page_is_refused(api: Api, log: Log, params: dict[str, Any]) -> None:
    assert api.get(PREDICTIONS, params=params).status_code in (400, 404)


def test_feedback_is_listed_beside_its_answer(api: Api, log: Log, corrections: list[Feedback]) -> None:
    page = api.get(FEEDBACK, params={"kind": "correction", "feedback_state": "open", "limit": 2}).json()
    rest = api.get(FEEDBACK, params={"before": page["next"]}).json()
    listed = page["items"] + rest["items"]
    assert {item["feedback"]["id"] for item in listed} == {str(each.id) for each in corrections}
    assert all(item["prediction"]["id"] == item["feedback"]["completion"] for item in listed)
    assert api.get(FEEDBACK, params={"kind": "rating"}).json()["items"] == []


def test_review_over_http(api: Api, log: Log, corrections: list[Feedback]) -> None:
    accepted = api.post(f"{FEEDBACK}/{corrections[0].id}/accept", json={"pool": "training"})
    dismissed = api.post(f"{FEEDBACK}/{corrections[1].id}/dismiss")
    again = api.post(f"{FEEDBACK}/{corrections[0].id}/accept", json={})
    bulk = api.post(f"{FEEDBACK}/accept", json={"ids": [str(each.id) for each in corrections]})
    assert accepted.json()["feedback_id"] == str(corrections[0].id)
    assert dismissed.json()["state"] == "dismissed"
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
    assert [each["feedback_id"] for each in bulk.json()["accepted"]] == [str(corrections[2].id)]
    assert len(bulk.json()["refused"]) == 2


def test_feedback_of_another_model_is_not_found(
    api: Api, database: Database, log: Log, corrections: list[Feedback], agency: Agency
) -> None:
    make_log(database, make_client(database, agency, "globex"))
    other = FEEDBACK.replace("acme", "globex")
    for action in ("accept", "dismiss"):
        assert api.post(f"{other}/{corrections[0].id}/{action}", json={}).status_code == 404


def test_other_agency_finds_nothing(api: Api, database: Database, log: Log, corrections: list[Feedback]) -> None:
    stranger = make_agency(database, "south")
    make_log(database, make_client(database, stranger, "acme"), size=1)
    api.headers["Authorization"] = f"Bearer {make_key(database, stranger)}"
    assert len(api.get(PREDICTIONS).json()["items"]) == 1
    assert api.get(FEEDBACK).json()["items"] == []
    assert api.get(f"{PREDICTIONS}/{completion_id(log.rows[0].id)}").status_code == 404
    assert api.post(f"{FEEDBACK}/{corrections[0].id}/dismiss").status_code == 404


def test_viewer_may_read_but_not_decide(
    api: Api, database: Database, agency: Agency, log: Log, corrections: list[Feedback]
) -> None:
    api.headers["Authorization"] = f"Bearer {make_key(database, agency, role=Role.VIEWER)}"
    assert api.get(FEEDBACK).status_code == 200
    assert api.post(f"{FEEDBACK}/{corrections[0].id}/dismiss").status_code == 403

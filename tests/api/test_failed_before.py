"""Asking for a plan that has just failed: refused with what came of it, and with what to send to insist."""

from litestar import Litestar
from litestar.testing import TestClient

from tests.support.failed_plan import WHY, make_failed_plan
from tuneloop.kit.db import Database
from tuneloop.tables import Agency

CYCLES = "/api/v1/models/acme/support/cycles"


def test_it_is_refused_with_why_and_what_the_answer_names_insists(
    api: TestClient[Litestar], database: Database, agency: Agency
) -> None:
    failed = make_failed_plan(database, agency)
    refused = api.post(CYCLES, json={"recipe": {}})
    assert refused.status_code == 409
    error = refused.json()["error"]
    assert error["code"] == "failed_before"
    assert error["details"] == {"cycle": str(failed.id), "insist": {"again": True}}
    assert f"the same data and recipe were tried on {failed.created_at:%-d %B %Y}" in error["message"]
    assert f"The retrain failed: {WHY}. Change" in error["message"]
    assert len(api.get(CYCLES).json()) == 1, "nothing was proposed"

    made = api.post(CYCLES, json={"recipe": {}} | error["details"]["insist"])
    assert made.status_code == 201, made.text
    assert (made.json()["state"], made.json()["recipe"]["seed"]) == ("proposed", 1)


def test_another_recipe_or_more_data_is_another_plan(
    api: TestClient[Litestar], database: Database, agency: Agency
) -> None:
    make_failed_plan(database, agency)
    made = api.post(CYCLES, json={"recipe": {"epochs": 2}})
    assert (made.status_code, made.json()["recipe"]["seed"]) == (201, 0)


def test_insisting_on_what_has_not_failed_changes_nothing(
    api: TestClient[Litestar], database: Database, agency: Agency
) -> None:
    make_failed_plan(database, agency)
    made = api.post(CYCLES, json={"recipe": {"seed": 7}, "again": True})
    assert (made.status_code, made.json()["recipe"]["seed"]) == (201, 7), "this seed was not used"

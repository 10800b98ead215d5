"""Clients of an agency, through the API."""

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from tests.support.factories import make_agency, make_client
from tuneloop.kit.db import Database

Http = TestClient[Litestar]


def test_a_client_is_added_listed_and_audited(api: Http) -> None:
    body = {"slug": "acme", "name": "Acme", "contacts": [{"name": "Ann", "email": "ann@acme.example"}]}
    made = api.post("/api/v1/clients", json=body)
    assert made.status_code == 201
    assert api.get("/api/v1/clients/acme").json() == made.json()
    assert [client["slug"] for client in api.get("/api/v1/clients").json()] == ["acme"]
    (event,) = api.get("/api/v1/audit", params={"subject_kind": "client"}).json()
    assert (event["action"], event["actor_kind"], event["detail"]["slug"]) == ("client.create", "api_key", "acme")


def test_a_slug_is_taken_once_per_agency(api: Http, database: Database) -> None:
    make_client(database, make_agency(database, "south"), "acme")
    assert api.post("/api/v1/clients", json={"slug": "acme", "name": "Acme"}).status_code == 201
    again = api.post("/api/v1/clients", json={"slug": "acme", "name": "Acme"})
    assert again.status_code == 409
    assert again.json()["error"]["code"] == "conflict"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"slug": "Acme"}, "slug"),
        ({"slug": "a/b"}, "slug"),
        ({"slug": "-a"}, "slug"),
        ({"slug": "a\n"}, "slug"),
        ({"name": ""}, "name"),
        ({"plan": "gold"}, "plan"),
        ({"contacts": [{"name": "Ann", "email": "nowhere"}]}, "contacts"),
        ({"agency_id": "01920000-0000-7000-8000-000000000000"}, "agency_id"),
    ],
)
def test_a_wrong_field_is_named(api: Http, change: dict[str, object], field: str) -> None:
    answer = api.post("/api/v1/clients", json={"slug": "acme", "name": "Acme"} | change)
    assert answer.status_code == 400
    problems = answer.json()["error"]["details"]["fields"]
    assert any(problem["field"].startswith(field) for problem in problems)
    assert api.get("/api/v1/clients").json() == []

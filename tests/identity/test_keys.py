"""API keys: shown once, stored as a hash, never stronger than their maker, dead when revoked."""

from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlmodel import select

from tests.support.factories import make_agency, make_client, make_key, owner_of
from tuneloop.identity.keys import create_key, known_keys, principal_of_key
from tuneloop.identity.secrets import token_digest
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.errors import InvalidInput, NotAllowed, NotAuthenticated, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import ActorKind, Agency, ApiKey, AuditEvent, Client, Membership, Role

Http = TestClient[Litestar]


def test_a_key_is_shown_once_and_stored_as_a_hash(api: Http, database: Database, agency: Agency) -> None:
    made = api.post("/api/v1/keys", json={"name": "ci", "role": "viewer", "all_clients": True}).json()
    assert made["key"].startswith("tl_")
    assert made["key"] not in api.get("/api/v1/keys").text
    with database.unit(agency.id) as session:
        row = session.exec(select(ApiKey).where(ApiKey.name == "ci")).one()
        logged = session.exec(select(AuditEvent).where(AuditEvent.action == "api_key.create")).all()
    assert row.key_hash == token_digest(made["key"])
    assert made["key"] not in str(row.model_dump())
    assert made["key"] not in str([event.model_dump() for event in logged])


def test_a_revoked_key_stops_at_once(api: Http) -> None:
    made = api.post("/api/v1/keys", json={"name": "ci", "role": "viewer", "all_clients": True}).json()
    headers = {"Authorization": f"Bearer {made['key']}"}
    assert api.get("/api/v1/session", headers=headers).status_code == 200
    assert api.delete(f"/api/v1/keys/{made['id']}").status_code == 204
    assert api.get("/api/v1/session", headers=headers).status_code == 401
    assert api.delete(f"/api/v1/keys/{made['id']}").status_code == 204


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer tl_unknown", "Basic YTpi", "tl_naked"])
def test_anything_but_a_known_key_is_refused(api: Http, header: str) -> None:
    assert api.get("/api/v1/session", headers={"Authorization": header}).status_code == 401


def test_nobody_makes_a_key_stronger_than_themselves(session: TenantSession, agency: Agency) -> None:
    admin = Principal(agency.id, Role.ADMIN, ActorKind.USER, None, "Adam", "test")
    with pytest.raises(NotAllowed):
        create_key(session, principal=admin, name="k", role=Role.OWNER, client=None)
    with pytest.raises(NotAllowed):
        create_key(session, principal=Principal.system(agency.id, "m"), name="k", role=Role.VIEWER, client=None)


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN])
def test_a_key_of_one_client_cannot_manage_the_agency(
    session: TenantSession, agency: Agency, client_row: Client, role: Role
) -> None:
    with pytest.raises(InvalidInput, match="operator at most"):
        create_key(session, principal=owner_of(agency), name="k", role=role, client=client_row.slug)


def test_a_key_cannot_be_bound_to_another_agency_s_client(
    session: TenantSession, agency: Agency, database: Database
) -> None:
    make_client(database, make_agency(database, "south"), "globex")
    for slug in ("globex", "nowhere"):
        with pytest.raises(NotFound, match=f"no client {slug}"):
            create_key(session, principal=owner_of(agency), name="k", role=Role.VIEWER, client=slug)


def test_a_key_of_one_client_sees_and_changes_that_client_only(
    app: Litestar, database: Database, agency: Agency, client_row: Client
) -> None:
    make_client(database, agency, "beta")
    with TestClient(app) as http:
        http.headers["Authorization"] = (
            f"Bearer {make_key(database, agency, role=Role.OPERATOR, client=client_row.slug)}"
        )
        assert [client["slug"] for client in http.get("/api/v1/clients").json()] == ["acme"]
        assert http.get("/api/v1/clients/beta").status_code == 404
        added = http.post("/api/v1/clients", json={"slug": "gamma", "name": "Gamma"})
        assert added.status_code == 403
        assert "agency-wide key" in added.json()["error"]["message"]


def test_a_key_knows_where_a_call_came_from(database: Database, agency: Agency) -> None:
    token = make_key(database, agency, role=Role.VIEWER)
    with database.all_agencies() as session:
        principal = principal_of_key(session, token=token, origin="cli")
        with pytest.raises(NotAuthenticated):
            principal_of_key(session, token=token + "x", origin="cli")
    assert (principal.agency_id, principal.role, principal.origin) == (agency.id, Role.VIEWER, "cli")


def test_a_key_begins_with_the_least_right_and_says_how_far_it_reaches(api: Http, client_row: Client) -> None:
    assert api.post("/api/v1/keys", json={"name": "ci"}).status_code == 400
    assert api.post("/api/v1/keys", json={"name": "ci", "client": "acme", "all_clients": True}).status_code == 400
    made = api.post("/api/v1/keys", json={"name": "ci", "client": "acme"}).json()
    assert (made["role"], made["client"], made["owner"]) == ("viewer", client_row.slug, "Olga Owner")


@pytest.mark.usefixtures("client_row")
def test_a_key_for_inference_does_nothing_else_and_outlives_its_owner(
    api: Http, database: Database, agency: Agency
) -> None:
    assert api.post("/api/v1/keys", json={"name": "x", "all_clients": True, "inference_only": True}).status_code == 422
    made = api.post("/api/v1/keys", json={"name": "app", "client": "acme", "inference_only": True}).json()
    refused = api.get("/api/v1/session", headers={"Authorization": f"Bearer {made['key']}"})
    assert refused.status_code == 403
    assert "only asks models" in refused.json()["error"]["message"]
    with database.all_agencies() as session:
        for membership in session.exec(select(Membership).where(Membership.agency_id == agency.id)):
            session.delete(membership)
        session.flush()
        left = [known.principal for known in known_keys(session, origin="gateway")]
    assert [(each.name, each.owner) for each in left if each.agency_id == agency.id] == [("app", None)]


def test_a_key_ends_on_its_day_and_no_later_than_the_key_it_was_made_with(
    api: Http, database: Database, agency: Agency
) -> None:
    made = api.post("/api/v1/keys", json={"name": "week", "role": "admin", "all_clients": True, "days": 7}).json()
    week = {"Authorization": f"Bearer {made['key']}"}
    child = api.post("/api/v1/keys", json={"name": "child", "all_clients": True, "days": 30}, headers=week).json()
    forever = api.post("/api/v1/keys", json={"name": "child", "all_clients": True}, headers=week).json()
    assert child["expires_at"] == forever["expires_at"] == made["expires_at"]
    with database.unit(agency.id) as session:
        session.get_one(ApiKey, UUID(made["id"])).expires_at = now()
    assert api.get("/api/v1/session", headers=week).status_code == 401


def test_a_key_says_when_and_from_where_it_was_used(api: Http) -> None:
    made = api.post("/api/v1/keys", json={"name": "ci", "all_clients": True}).json()
    assert made["last_used_at"] is None
    api.get("/api/v1/session", headers={"Authorization": f"Bearer {made['key']}"})
    (row,) = [each for each in api.get("/api/v1/keys").json() if each["id"] == made["id"]]
    assert row["last_used_at"] is not None
    assert row["last_used_from"] == "testclient"


@pytest.mark.usefixtures("client_row")
def test_a_key_for_imports_does_nothing_else(api: Http, database: Database) -> None:
    assert api.post("/api/v1/keys", json={"name": "x", "all_clients": True, "upload_only": True}).status_code == 422
    made = api.post("/api/v1/keys", json={"name": "feed", "client": "acme", "upload_only": True}).json()
    with TestClient(api.app) as feed:
        feed.headers["Authorization"] = f"Bearer {made['key']}"
        for path in ("/api/v1/session", "/api/v1/clients/acme", "/api/v1/models/acme/support/examples"):
            refused = feed.get(path)
            assert (refused.status_code, "only imports data" in refused.text) == (403, True), path
        uploaded = feed.post("/api/v1/models/acme/support/examples", params={"pool": "training"}, content=b"{}\n")
        assert uploaded.status_code in (404, 422), "acme has no such model; the key may ask"
    with database.all_agencies() as session:
        assert "feed" not in [known.principal.name for known in known_keys(session, origin="gateway")]


def test_a_key_gets_a_new_secret_and_the_old_one_works_for_a_while(api: Http, database: Database) -> None:
    made = api.post("/api/v1/keys", json={"name": "ci", "all_clients": True}).json()
    rotated = api.post(f"/api/v1/keys/{made['id']}/rotate", json={"grace_hours": 2}).json()
    assert (rotated["id"], rotated["key"] != made["key"], rotated["prefix"]) == (made["id"], True, rotated["key"][:10])

    def works(key: str) -> bool:
        return api.get("/api/v1/session", headers={"Authorization": f"Bearer {key}"}).status_code == 200

    assert works(made["key"])
    assert works(rotated["key"])
    with database.all_agencies() as session:
        known = {each.key_hash: each.until for each in known_keys(session, origin="gateway")}
        row = session.get_one(ApiKey, UUID(made["id"]))
        assert {token_digest(each) in known for each in (made["key"], rotated["key"])} == {True}
        assert row.previous_until is not None
        assert (known[row.previous_hash or ""], known[row.key_hash]) == (row.previous_until, None)
        row.previous_until = now()
    assert (works(made["key"]), works(rotated["key"])) == (False, True)
    again = api.post(f"/api/v1/keys/{made['id']}/rotate", json={"grace_hours": 0}).json()
    assert (works(rotated["key"]), works(again["key"])) == (False, True)
    assert api.delete(f"/api/v1/keys/{made['id']}").status_code == 204
    assert not works(again["key"])
    assert api.post(f"/api/v1/keys/{made['id']}/rotate", json={}).status_code == 409

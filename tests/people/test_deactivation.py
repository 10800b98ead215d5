"""Taking somebody out ends all that they could do, at once; coming back, signing out, and who is signed in where."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlmodel import select

from tests.people.post import Post
from tests.support.factories import make_key, owner_of
from tests.support.people import add_member
from tuneloop.identity.deactivation import deactivate
from tuneloop.identity.keys import create_key
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.errors import Conflict, NotAllowed
from tuneloop.kit.principal import Principal
from tuneloop.tables import (
    ActorKind,
    Agency,
    ApiKey,
    AuditEvent,
    Membership,
    Role,
    SlackIdentity,
    SlackInstallation,
    User,
    WebSession,
)
from tuneloop_bot.identities import principal_of, slack_users_of

Http = TestClient[Litestar]

ANN, PASSWORD = "ann@north.example", "ann's own password"


@pytest.fixture
def ann(database: Database, agency: Agency) -> User:
    with database.unit(agency.id) as session:
        return add_member(
            session, principal=owner_of(agency), email=ANN, name="Ann", role=Role.OPERATOR, password=PASSWORD
        ).user


def sign_in(http: Http, password: str = PASSWORD, **more: str) -> int:
    http.headers.pop("X-CSRF-Token", None)
    answer = http.post("/api/v1/session", json={"email": ANN, "password": password} | more)
    if answer.status_code == 201:
        http.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
    return answer.status_code


def listed(api: Http) -> dict[str, Any]:
    """Ann, among the members."""
    (row,) = [each for each in api.get("/api/v1/members").json() if each["email"] == ANN]
    return dict(row)


def signed_in(http: Http) -> bool:
    return http.get("/api/v1/session").status_code == 200


def test_a_deactivated_member_gets_in_nowhere_until_they_are_back(
    api: Http, ann: User, person: Http, browser_of: Callable[[], Http]
) -> None:
    other = browser_of()
    assert (sign_in(person), sign_in(other)) == (201, 201)
    assert api.post(f"/api/v1/members/{ann.id}/deactivate").json()["active"] is False
    assert not signed_in(person)
    assert not signed_in(other)
    assert sign_in(person) == 401
    row = listed(api)
    assert (row["email"], row["active"]) == (ANN, False)
    assert api.post(f"/api/v1/members/{ann.id}/deactivate").status_code == 409
    assert api.post("/api/v1/invitations", json={"email": ANN}).status_code == 409
    back = api.post(f"/api/v1/members/{ann.id}/reactivate").json()
    assert (back["active"], back["role"]) == (True, "operator")
    assert api.post(f"/api/v1/members/{ann.id}/reactivate").status_code == 409
    assert not signed_in(other)
    assert sign_in(person) == 201


def test_their_slack_user_decides_nothing_meanwhile(database: Database, agency: Agency, api: Http, ann: User) -> None:
    with database.unit(agency.id) as session:
        workspace = SlackInstallation(
            team_id="T1", team_name="N", app_id="A", bot_user_id="U0", bot_token="x", scopes="", installer="U9"
        )
        session.add(workspace)
        session.flush()
        session.add(SlackIdentity(installation_id=workspace.id, slack_user_id="U1", user_id=ann.id, how="link"))
    api.post(f"/api/v1/members/{ann.id}/deactivate")
    with database.unit(agency.id) as session:
        with pytest.raises(NotAllowed, match="not a member"):
            principal_of(session, workspace, "U1")
        assert slack_users_of(session, workspace, least=Role.CLIENT_VIEWER) == []
    api.post(f"/api/v1/members/{ann.id}/reactivate")
    with database.unit(agency.id) as session:
        assert principal_of(session, workspace, "U1").role is Role.OPERATOR


def test_the_answer_and_the_audit_log_name_the_keys_that_stop(
    database: Database, agency: Agency, api: Http, ann: User
) -> None:
    with database.unit(agency.id) as session:
        herself = Principal(agency.id, Role.ADMIN, ActorKind.USER, ann.id, "Ann", "test")
        create_key(session, principal=herself, name="ann's key", role=Role.VIEWER, client=None)
    assert api.post(f"/api/v1/members/{ann.id}/deactivate").json()["keys"] == 1
    with database.unit(agency.id) as session:
        (event,) = session.exec(select(AuditEvent).where(AuditEvent.action == "member.deactivate")).all()
    assert event.detail["keys_stopped"] == ["ann's key"]


def test_other_agencies_are_not_touched(
    database: Database, agency: Agency, elsewhere: Agency, api: Http, ann: User, person: Http
) -> None:
    with database.unit(elsewhere.id) as session:
        add_member(session, principal=owner_of(elsewhere), email=ANN, name="Ann", role=Role.VIEWER, password=PASSWORD)
    assert sign_in(person, agency="elsewhere") == 201
    api.post(f"/api/v1/members/{ann.id}/deactivate")
    api.post(f"/api/v1/members/{ann.id}/password-reset")
    assert signed_in(person)
    assert sign_in(person, agency="north") == 401
    assert sign_in(person) == 201


def test_the_last_owner_and_oneself_stay(
    database: Database, agency: Agency, api: Http, person: Http, ann: User
) -> None:
    api.put(f"/api/v1/members/{ann.id}/role", json={"role": "owner"})
    with database.unit(agency.id) as session:
        for other in session.exec(select(Membership).where(Membership.user_id != ann.id)):
            other.role = Role.ADMIN
        session.flush()
        with pytest.raises(Conflict, match="at least one owner"):
            deactivate(session, principal=owner_of(agency), user_id=ann.id)
        for other in session.exec(select(Membership).where(Membership.user_id != ann.id)):
            other.role = Role.OWNER
    sign_in(person)
    assert person.post(f"/api/v1/members/{ann.id}/deactivate").status_code == 403
    admin = {"Authorization": f"Bearer {make_key(database, agency, role=Role.ADMIN)}"}
    for act in ("deactivate", "password-reset"):
        assert api.post(f"/api/v1/members/{ann.id}/{act}", headers=admin).status_code == 403
    assert api.delete(f"/api/v1/members/{ann.id}/sessions", headers=admin).status_code == 403


def test_a_deactivated_member_can_be_removed(api: Http, ann: User) -> None:
    api.post(f"/api/v1/members/{ann.id}/deactivate")
    assert api.delete(f"/api/v1/members/{ann.id}").status_code == 204
    assert ANN not in {each["email"] for each in api.get("/api/v1/members").json()}
    assert api.post(f"/api/v1/members/{ann.id}/reactivate").status_code == 404


def test_an_admin_has_a_new_password_chosen_by_a_link_to_the_member(
    api: Http, ann: User, person: Http, post: Post
) -> None:
    sign_in(person)
    assert api.post(f"/api/v1/members/{ann.id}/password-reset").status_code == 202
    assert not signed_in(person)
    assert sign_in(person) == 401
    assert "key asks you to choose a new password" in post.to(ANN)[-1]
    body = {"token": post.token(ANN), "password": "ann's newest password"}
    assert person.post("/api/v1/password/reset", json=body).status_code == 204
    assert sign_in(person, "ann's newest password") == 201


def test_signing_out_everywhere(
    database: Database, api: Http, ann: User, person: Http, browser_of: Callable[[], Http]
) -> None:
    other = browser_of()
    assert (sign_in(person), sign_in(other)) == (201, 201)
    assert api.delete(f"/api/v1/members/{ann.id}/sessions").status_code == 204
    assert not signed_in(person)
    assert (sign_in(person), sign_in(other)) == (201, 201)
    assert person.delete("/api/v1/account/sessions").status_code == 204
    assert not signed_in(other)
    with database.all_agencies() as session:
        acts = session.exec(select(AuditEvent.action)).all()
    assert {"member.sign_out", "session.end_all"} <= set(acts)


def test_one_s_own_sessions_are_seen_and_ended_one_by_one(
    database: Database, ann: User, person: Http, browser_of: Callable[[], Http]
) -> None:
    other = browser_of()
    other.headers["User-Agent"] = "a telephone"
    assert (sign_in(person), sign_in(other)) == (201, 201)
    with database.all_agencies() as session:
        for row in session.exec(select(WebSession)):
            row.last_used_at = now() - timedelta(hours=1)
    account = person.get("/api/v1/account").json()
    assert (account["email"], [each["agency"] for each in account["sessions"]]) == (ANN, ["North", "North"])
    here, there = account["sessions"]
    assert here["last_used_at"] > there["last_used_at"]
    assert (there["device"], bool(there["address"])) == ("a telephone", True)
    assert person.delete(f"/api/v1/account/sessions/{there['id']}").status_code == 204
    assert not signed_in(other)
    assert signed_in(person)


def test_nobody_ends_another_one_s_session(
    database: Database, agency: Agency, api: Http, ann: User, person: Http, browser_of: Callable[[], Http]
) -> None:
    with database.unit(agency.id) as session:
        add_member(
            session, principal=owner_of(agency), email="bo@x.example", name="Bo", role=Role.OWNER, password=PASSWORD
        )
    sign_in(person)
    mine = person.get("/api/v1/account").json()["sessions"][0]["id"]
    bo = browser_of()
    opened = bo.post("/api/v1/session", json={"email": "bo@x.example", "password": PASSWORD}).json()
    proof = {"X-CSRF-Token": opened["csrf_token"]}
    assert bo.delete(f"/api/v1/account/sessions/{mine}", headers=proof).status_code == 404
    assert api.delete(f"/api/v1/account/sessions/{mine}").status_code == 404
    assert api.get("/api/v1/account").status_code == 403
    assert signed_in(person)


def test_members_and_keys_show_when_they_were_used_last(api: Http, ann: User, person: Http) -> None:
    row = listed(api)
    assert (row["last_sign_in_at"], row["sessions"]) == (None, 0)
    sign_in(person)
    row = listed(api)
    assert (row["sessions"], row["last_sign_in_at"] is not None, row["seen_at"] is not None) == (1, True, True)
    (key,) = api.get("/api/v1/keys").json()
    assert key["last_used_at"] is not None


def test_a_key_s_use_is_noted_once_a_minute(database: Database, api: Http) -> None:
    api.get("/api/v1/session")
    with database.all_agencies() as session:
        first = session.exec(select(ApiKey)).one().last_used_at
    assert first is not None
    api.get("/api/v1/session")
    with database.all_agencies() as session:
        row = session.exec(select(ApiKey)).one()
        assert row.last_used_at == first
        row.last_used_at = first - timedelta(hours=1)
    api.get("/api/v1/session")
    with database.all_agencies() as session:
        again = session.exec(select(ApiKey)).one().last_used_at
    assert again is not None
    assert again > first

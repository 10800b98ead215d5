"""Nobody sets a password for somebody else: people join by a link that goes to them, expires and works once."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlmodel import select

from tests.people.post import Post
from tests.support.factories import make_key, owner_of
from tests.support.people import add_member
from tuneloop.identity.secrets import token_digest
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.tables import Agency, AuditEvent, Client, Invitation, Mail, Membership, Password, Role, User, WebSession

Http = TestClient[Litestar]

NEW = "newhire@north.example"
OWN = "chosen by the new hire"


def invite(api: Http, email: str = NEW, role: str = "operator", **more: str) -> str:
    answer = api.post("/api/v1/invitations", json={"email": email, "role": role} | more)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def accept(http: Http, token: str, password: str = OWN, name: str | None = "New Hire") -> int:
    body = {"token": token, "password": password} | ({"name": name} if name else {})
    return http.post("/api/v1/invitations/accept", json=body).status_code


def sign_in(http: Http, password: str, email: str = NEW, **more: str) -> int:
    return http.post("/api/v1/session", json={"email": email, "password": password} | more).status_code


def test_a_new_person_chooses_name_and_password_and_is_signed_in(api: Http, person: Http, post: Post) -> None:
    invite(api)
    assert accept(person, post.token(NEW)) == 201
    me = person.get("/api/v1/session").json()
    assert (me["name"], me["role"], me["agency"]) == ("New Hire", "operator", "north")
    assert sign_in(person, OWN) == 201
    assert [(each["email"], each["state"]) for each in api.get("/api/v1/invitations").json()] == [(NEW, "accepted")]


def test_an_admin_elsewhere_who_had_the_address_first_gets_in_nowhere_else(
    database: Database, api: Http, app: Litestar, browser_of: Callable[[], Http], post: Post, elsewhere: Agency
) -> None:
    """They show themselves the link, and choose a password for an address that is not theirs."""
    intruder = browser_of()
    intruder.headers["Authorization"] = f"Bearer {make_key(database, elsewhere)}"
    shown = intruder.post(f"/api/v1/invitations/{invite(intruder)}/link").json()["url"]
    del intruder.headers["Authorization"]
    assert accept(intruder, shown.partition("token=")[2], "chosen by the intruder") == 201

    invite(api)
    token, victim = post.token(NEW), browser_of()
    assert victim.post("/api/v1/invitations/offer", json={"token": token}).json()["known"]
    assert accept(victim, token) == 401
    victim.post("/api/v1/password/forgotten", json={"email": NEW})
    answer = victim.post("/api/v1/password/reset", json={"token": post.token(NEW), "password": OWN})
    assert answer.status_code == 204
    assert accept(victim, token) == 201
    assert victim.get("/api/v1/session").json()["agency"] == "north"

    assert intruder.get("/api/v1/session").status_code == 401
    for agency in ({}, {"agency": "north"}, {"agency": "elsewhere"}):
        assert sign_in(intruder, "chosen by the intruder", **agency) == 401


def test_a_person_of_another_agency_joins_with_their_own_password_and_keeps_their_name(
    database: Database, api: Http, person: Http, post: Post, elsewhere: Agency
) -> None:
    with database.unit(elsewhere.id) as session:
        add_member(
            session, principal=owner_of(elsewhere), email=NEW, name="Nia", role=Role.VIEWER, password="nia's own words"
        )
    invite(api)
    token = post.token(NEW)
    assert accept(person, token, "another password", name="Somebody else") == 401
    assert accept(person, token, "nia's own words", name="Somebody else") == 201
    me = person.get("/api/v1/session").json()
    assert (me["name"], me["agency"]) == ("Nia", "north")
    assert sign_in(person, "nia's own words") == 422
    assert sign_in(person, "nia's own words", agency="elsewhere") == 201


def test_a_person_who_works_for_nobody_any_more_can_join_again(api: Http, person: Http, post: Post) -> None:
    invite(api)
    accept(person, post.token(NEW))
    (member,) = [each for each in api.get("/api/v1/members").json() if each["email"] == NEW]
    api.delete(f"/api/v1/members/{member['user_id']}")
    assert sign_in(person, OWN) == 401
    invite(api)
    assert accept(person, post.token(NEW)) == 201


def test_a_link_works_once(api: Http, person: Http, browser_of: Callable[[], Http], post: Post) -> None:
    invite(api)
    token = post.token(NEW)
    assert accept(person, token) == 201
    assert accept(browser_of(), token) == 409
    assert accept(browser_of(), "guessed") == 404


def test_a_link_expires_and_another_one_can_be_sent(database: Database, api: Http, person: Http, post: Post) -> None:
    invitation = invite(api)
    token = post.token(NEW)
    with database.all_agencies() as session:
        session.exec(select(Invitation)).one().expires_at = now() - timedelta(seconds=1)
    assert accept(person, token) == 409
    assert api.post(f"/api/v1/invitations/{invitation}/link").status_code == 409
    assert api.post(f"/api/v1/invitations/{invitation}/resend").status_code == 200
    assert accept(person, token) == 404
    assert accept(person, post.token(NEW)) == 201
    assert api.post(f"/api/v1/invitations/{invitation}/resend").status_code == 409


def test_a_withdrawn_invitation_opens_nothing_and_the_address_can_be_invited_again(
    api: Http, person: Http, post: Post
) -> None:
    invitation = invite(api)
    token = post.token(NEW)
    assert api.post("/api/v1/invitations", json={"email": NEW, "role": "viewer"}).status_code == 409
    assert api.delete(f"/api/v1/invitations/{invitation}").status_code == 204
    assert accept(person, token) == 409
    invite(api)
    assert accept(person, post.token(NEW)) == 201


def test_no_stored_or_shown_text_holds_the_token(database: Database, api: Http, agency: Agency, post: Post) -> None:
    """A viewer reads all mail of the agency, and a thief of the database reads everything."""
    invite(api)
    token = post.token(NEW)
    viewer = {"Authorization": f"Bearer {make_key(database, agency, role=Role.VIEWER)}"}
    (mail,) = api.get("/api/v1/mail", headers=viewer).json()
    shown = api.get(f"/api/v1/mail/{mail['id']}", headers=viewer)
    assert "invites you to North" in shown.text
    assert token not in shown.text
    with database.all_agencies() as session:
        rows = [session.exec(select(table)).all() for table in (Mail, Invitation, AuditEvent)]
        assert session.exec(select(Invitation.token_hash)).one() == token_digest(token)
    assert token not in str([row.model_dump() for found in rows for row in found])


def test_the_link_is_shown_on_request_and_the_audit_log_says_to_whom(
    database: Database, api: Http, person: Http, post: Post
) -> None:
    invitation = invite(api)
    shown = api.post(f"/api/v1/invitations/{invitation}/link").json()["url"]
    assert shown == f"https://tuneloop.example/invitation?token={post.token(NEW)}"
    assert accept(person, shown.partition("token=")[2]) == 201
    with database.all_agencies() as session:
        acts = session.exec(select(AuditEvent.action, AuditEvent.actor_name)).all()
    assert ("member.invitation_link", "Olga Owner (key key)") in acts
    assert ("member.join", "New Hire") in acts


def test_a_refused_mail_is_seen_in_the_list(api: Http, post: Post) -> None:
    invite(api, "nobody@north.example")
    assert post.to("nobody@north.example") == []
    (row,) = api.get("/api/v1/invitations").json()
    assert row["mail"] == "bounced"
    assert "no such mailbox" in row["mail_failure"]


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaa", "Passw0rd1234!!", "123456789012", NEW, "newhire-123"])
def test_a_weak_password_is_refused_and_the_link_stays(api: Http, person: Http, post: Post, password: str) -> None:
    invite(api)
    assert accept(person, post.token(NEW), password) == 422
    assert accept(person, post.token(NEW), name=None) == 422
    assert accept(person, post.token(NEW)) == 201


@pytest.mark.parametrize("role", ["owner", "admin"])
def test_only_an_owner_invites_owners_and_admins(database: Database, agency: Agency, api: Http, role: str) -> None:
    invitation = invite(api, role=role)
    admin = {"Authorization": f"Bearer {make_key(database, agency, role=Role.ADMIN)}"}
    body = {"email": "other@north.example", "role": role}
    assert api.post("/api/v1/invitations", json=body, headers=admin).status_code == 403
    for act in ("resend", "link"):
        assert api.post(f"/api/v1/invitations/{invitation}/{act}", headers=admin).status_code == 403
    assert api.delete(f"/api/v1/invitations/{invitation}", headers=admin).status_code == 403


def test_a_client_viewer_is_confined_to_their_client(api: Http, person: Http, post: Post, client_row: Client) -> None:
    assert api.post("/api/v1/invitations", json={"email": NEW, "role": "client_viewer"}).status_code == 422
    invite(api, role="client_viewer", client=client_row.slug)
    assert "as a viewer of Acme" in post.to(NEW)[-1]
    assert accept(person, post.token(NEW)) == 201
    assert person.get("/api/v1/session").json()["client"] == "acme"


def test_nothing_typed_is_dropped_in_silence(api: Http) -> None:
    """A password for somebody else has no place any more, and says so."""
    body = {"email": NEW, "role": "viewer", "password": "chosen by an admin"}
    assert api.post("/api/v1/invitations", json=body).status_code == 400
    assert api.post("/api/v1/members", json=body).status_code == 405


def test_passwords_and_sessions_are_the_person_s_and_hashed(
    database: Database, api: Http, person: Http, post: Post
) -> None:
    invite(api)
    accept(person, post.token(NEW))
    with database.all_agencies() as session:
        user = session.exec(select(User).where(User.email == NEW)).one()
        stored = session.exec(select(Password).where(Password.user_id == user.id)).one()
        assert stored.password_hash.startswith("$argon2id$")
        assert session.exec(select(Membership).where(Membership.user_id == user.id)).one().role is Role.OPERATOR
        assert session.exec(select(WebSession).where(WebSession.user_id == user.id)).one()

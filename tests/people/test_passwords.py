"""One's own password: changed with the old one, or chosen anew by a link that goes to the person alone."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlmodel import select

from tests.people.post import Post
from tests.support.factories import make_key, owner_of
from tests.support.people import add_member
from tuneloop.identity.passwords import require_good
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.errors import InvalidInput
from tuneloop.people.password_links import PAUSE
from tuneloop.tables import Agency, AuditEvent, Mail, PasswordLink, Role

Http = TestClient[Litestar]

ANN = "ann@north.example"
OLD, NEW = "ann's first password", "ann's second password"


@pytest.fixture(autouse=True)
def ann(database: Database, agency: Agency) -> None:
    with database.unit(agency.id) as session:
        add_member(session, principal=owner_of(agency), email=ANN, name="Ann", role=Role.VIEWER, password=OLD)


def sign_in(http: Http, password: str) -> int:
    answer = http.post("/api/v1/session", json={"email": ANN, "password": password})
    if answer.status_code == 201:
        http.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
    return answer.status_code


def forget(http: Http, email: str = ANN) -> tuple[int, bytes]:
    answer = http.post("/api/v1/password/forgotten", json={"email": email})
    return answer.status_code, answer.content


def reset(http: Http, token: str, password: str = NEW) -> int:
    return http.post("/api/v1/password/reset", json={"token": token, "password": password}).status_code


def test_changing_one_s_password_asks_for_the_old_one_and_signs_out_everywhere(
    database: Database, browser_of: Callable[[], Http], post: Post
) -> None:
    here, there = browser_of(), browser_of()
    assert (sign_in(here, OLD), sign_in(there, OLD)) == (201, 201)
    assert here.put("/api/v1/password", json={"old": "a guess at it", "new": NEW}).status_code == 422
    assert here.put("/api/v1/password", json={"old": OLD, "new": OLD}).status_code == 422
    assert here.put("/api/v1/password", json={"old": OLD, "new": "short"}).status_code == 422
    assert there.get("/api/v1/session").status_code == 200
    assert here.put("/api/v1/password", json={"old": OLD, "new": NEW}).status_code == 204
    assert [http.get("/api/v1/session").status_code for http in (here, there)] == [401, 401]
    assert (sign_in(here, OLD), sign_in(here, NEW)) == (401, 201)
    assert "was changed just now" in post.to(ANN)[-1]
    with database.all_agencies() as session:
        assert session.exec(select(AuditEvent).where(AuditEvent.action == "password.change")).one().actor_name == "Ann"


def test_a_key_has_no_password(api: Http) -> None:
    assert api.put("/api/v1/password", json={"old": OLD, "new": NEW}).status_code == 403


def test_a_forgotten_password_is_chosen_anew_by_a_link_that_works_once(
    browser_of: Callable[[], Http], post: Post
) -> None:
    thief, ann = browser_of(), browser_of()
    sign_in(thief, OLD)
    forget(ann)
    token = post.token(ANN)
    assert reset(ann, token, "weak") == 422
    assert reset(ann, token) == 204
    assert reset(ann, token, "a third password of ann's") == 409
    assert thief.get("/api/v1/session").status_code == 401
    assert (sign_in(ann, OLD), sign_in(ann, NEW)) == (401, 201)


def test_the_answer_is_the_same_whether_or_not_the_address_exists(person: Http, post: Post) -> None:
    assert forget(person) == forget(person, "nobody@nowhere.example")
    assert post.to("nobody@nowhere.example") == []
    assert len(post.to(ANN)) == 1


def test_nobody_s_mailbox_is_filled(database: Database, person: Http, post: Post) -> None:
    for _ in range(3):
        forget(person)
    assert len(post.to(ANN)) == 1
    first = post.token(ANN)
    with database.all_agencies() as session:
        session.exec(select(PasswordLink)).one().created_at -= PAUSE
    forget(person)
    assert len(post.to(ANN)) == 2
    assert reset(person, first) == 409
    assert reset(person, post.token(ANN)) == 204


def test_a_link_expires(database: Database, person: Http, post: Post) -> None:
    forget(person)
    token = post.token(ANN)
    with database.all_agencies() as session:
        session.exec(select(PasswordLink)).one().expires_at = now() - timedelta(seconds=1)
    assert reset(person, token) == 409
    assert reset(person, "guessed") == 404
    assert sign_in(person, OLD) == 201


def test_no_stored_text_holds_the_token(database: Database, person: Http, post: Post) -> None:
    forget(person)
    token = post.token(ANN)
    with database.all_agencies() as session:
        rows = [session.exec(select(table)).all() for table in (Mail, PasswordLink, AuditEvent)]
    assert token not in str([row.model_dump() for found in rows for row in found])


@pytest.mark.parametrize(
    "password",
    [
        "elevenchars",
        "x" * 201,
        "qwertyuiopas",
        "210987654321",
        "abcabcabcabc",
        "P@ssword12345",
        "Passwort!2026!",
        "WelcomeToTuneloop1",
        "ann.smith@north.example",
        "ann.smith-2026",
        "north.example1",
    ],
)
def test_what_is_tried_first_is_no_password(password: str) -> None:
    with pytest.raises(InvalidInput):
        require_good(password, email="ann.smith@north.example")


@pytest.mark.parametrize(
    "password", ["correct horse battery", "drei alte Fahrräder", "kT9#vQ2!mZ7x", "один длинный пароль"]
)
def test_length_counts_and_composition_does_not(password: str) -> None:
    require_good(password, email="ann.smith@north.example")


def test_guesses_at_a_password_cost_time_wherever_they_are_made(
    api: Http, database: Database, elsewhere: Agency, person: Http, post: Post
) -> None:
    """An admin elsewhere, who shows themselves the link, could try a person's password on the invitation."""
    with TestClient(person.app) as owner:
        owner.headers["Authorization"] = f"Bearer {make_key(database, elsewhere)}"
        invitation = owner.post("/api/v1/invitations", json={"email": ANN}).json()["id"]
        token = owner.post(f"/api/v1/invitations/{invitation}/link").json()["url"].partition("token=")[2]
    body = {"token": token, "password": "a guess at it"}
    answers = [person.post("/api/v1/invitations/accept", json=body).status_code for _ in range(8)]
    assert (answers[0], answers[-1]) == (401, 429)
    assert person.post("/api/v1/session", json={"email": ANN, "password": OLD}).status_code == 429


def test_guesses_at_one_s_own_password_cost_time(person: Http) -> None:
    assert sign_in(person, OLD) == 201
    guess = {"old": "a guess at it", "new": NEW}
    answers = [person.put("/api/v1/password", json=guess).status_code for _ in range(8)]
    assert (answers[0], answers[-1]) == (422, 429)

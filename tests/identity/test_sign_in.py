"""Browser sessions: signing in tells nothing about who exists, and a change needs the CSRF token."""

from datetime import timedelta
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr
from sqlmodel import select

from tests.support.factories import make_agency, make_client, owner_of
from tests.support.people import add_member
from tuneloop.identity.request import COOKIE
from tuneloop.identity.secrets import token_digest
from tuneloop.identity.service import change_role, remove_member, sign_in
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.tables import Agency, Client, Password, Role, User, WebSession
from tuneloop.web.app import create_app

PASSWORD = "correct horse battery"
KEYS = SecretStr("a key of the tests")


@pytest.fixture
def ann(database: Database, agency: Agency) -> User:
    with database.unit(agency.id) as session:
        return add_member(
            session,
            principal=owner_of(agency),
            email="Ann@Example.com",
            name="Ann",
            role=Role.OPERATOR,
            password=PASSWORD,
        ).user


@pytest.fixture
def browser(app: Litestar) -> TestClient[Litestar]:
    return TestClient(app)


def _enter(browser: TestClient[Litestar], password: str = PASSWORD, email: str = "ann@example.com") -> str:
    answer = browser.post("/api/v1/session", json={"email": email, "password": password})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["csrf_token"])


@pytest.mark.usefixtures("ann")
def test_signing_in_opens_a_session_that_says_who_you_are(browser: TestClient[Litestar]) -> None:
    _enter(browser)
    assert browser.get("/api/v1/session").json() == {
        "name": "Ann",
        "role": "operator",
        "agency": "north",
        "client": None,
    }


@pytest.mark.usefixtures("ann")
def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(browser: TestClient[Litestar]) -> None:
    answer = browser.post("/api/v1/session", json={"email": "ann@example.com", "password": PASSWORD})
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie


def test_behind_a_proxy_that_ends_tls_the_cookie_is_for_tls_alone(
    database: Database, storage: Storage, tmp_path: Path, ann: User
) -> None:
    settings = Settings(data_dir=tmp_path, public_url="https://tuneloop.example")
    http = TestClient(create_app(settings, database, storage, lifespan=()))
    answer = http.post("/api/v1/session", json={"email": ann.email, "password": PASSWORD})
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.usefixtures("ann")
def test_a_wrong_password_and_an_unknown_person_get_the_same_answer(browser: TestClient[Litestar]) -> None:
    wrong = browser.post("/api/v1/session", json={"email": "ann@example.com", "password": "wrong"})
    unknown = browser.post("/api/v1/session", json={"email": "nobody@example.com", "password": "wrong"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()


@pytest.mark.usefixtures("ann")
def test_another_agency_s_name_gets_the_same_answer_as_a_wrong_password(
    database: Database, browser: TestClient[Litestar]
) -> None:
    make_agency(database, "south")
    wrong = browser.post("/api/v1/session", json={"email": "ann@example.com", "password": "wrong"})
    elsewhere = browser.post(
        "/api/v1/session", json={"email": "ann@example.com", "password": PASSWORD, "agency": "south"}
    )
    assert elsewhere.status_code == 401
    assert elsewhere.json() == wrong.json()


def test_tokens_and_passwords_are_stored_as_hashes_only(database: Database, ann: User) -> None:
    with database.all_agencies() as session:
        known = session.exec(select(Password.password_hash).where(Password.user_id == ann.id)).one()
        opened = sign_in(session, email="ann@example.com", password=PASSWORD, agency=None, keys=KEYS)
        stored = session.exec(select(WebSession)).one()
    assert stored.token_hash == token_digest(opened.token)
    assert opened.token not in str(stored.model_dump())
    assert known is not None
    assert known.startswith("$argon2id$")
    assert PASSWORD not in known


@pytest.mark.usefixtures("ann")
def test_a_change_needs_the_csrf_token(browser: TestClient[Litestar]) -> None:
    csrf = _enter(browser)
    body = {"slug": "acme", "name": "Acme"}
    assert browser.post("/api/v1/clients", json=body).status_code == 401
    assert browser.post("/api/v1/clients", json=body, headers={"X-CSRF-Token": "guess"}).status_code == 401
    assert browser.get("/api/v1/clients").json() == []
    assert browser.post("/api/v1/clients", json=body, headers={"X-CSRF-Token": csrf}).status_code == 201


@pytest.mark.usefixtures("ann")
def test_a_session_ends_with_its_time(database: Database, browser: TestClient[Litestar]) -> None:
    _enter(browser)
    with database.all_agencies() as session:
        session.exec(select(WebSession)).one().expires_at = now() - timedelta(seconds=1)
    assert browser.get("/api/v1/session").status_code == 401


@pytest.mark.usefixtures("ann")
def test_a_session_ends_when_the_person_signs_out(browser: TestClient[Litestar]) -> None:
    csrf = _enter(browser)
    token = browser.cookies[COOKIE]
    browser.delete("/api/v1/session", headers={"X-CSRF-Token": csrf})
    browser.cookies.set(COOKIE, token)
    assert browser.get("/api/v1/session").status_code == 401


@pytest.mark.parametrize("way", ["disabled", "removed"])
def test_a_session_ends_when_the_person_may_no_longer_work_here(
    database: Database, agency: Agency, ann: User, browser: TestClient[Litestar], way: str
) -> None:
    _enter(browser)
    with database.all_agencies() as session:
        if way == "disabled":
            session.get_one(User, ann.id).disabled_at = now()
        else:
            session.agency_id, session.all_agencies = agency.id, False
            remove_member(session, principal=owner_of(agency), user_id=ann.id)
    assert browser.get("/api/v1/session").status_code == 401
    assert browser.post("/api/v1/session", json={"email": "ann@example.com", "password": PASSWORD}).status_code == 401


def test_a_role_taken_away_is_gone_at_the_next_click(
    database: Database, agency: Agency, ann: User, browser: TestClient[Litestar]
) -> None:
    csrf = _enter(browser)
    with database.unit(agency.id) as session:
        change_role(session, principal=owner_of(agency), user_id=ann.id, role=Role.VIEWER)
    answer = browser.post("/api/v1/clients", json={"slug": "a", "name": "A"}, headers={"X-CSRF-Token": csrf})
    assert answer.status_code == 403


def test_whose_password_opens_two_agencies_names_one(database: Database, agency: Agency, ann: User) -> None:
    south = make_agency(database, "south")
    with database.unit(south.id) as session:
        added = add_member(
            session,
            principal=owner_of(south),
            email=ann.email,
            name="Somebody else",
            role=Role.VIEWER,
            password=PASSWORD,
        )
        assert (added.user.id, added.user.name) == (ann.id, "Ann")
    with database.all_agencies() as session:
        with pytest.raises(InvalidInput, match="name one") as refused:
            sign_in(session, email=ann.email, password=PASSWORD, agency=None, keys=KEYS)
        assert sorted(refused.value.details["agencies"]) == ["north", "south"]
        sign_in(session, email=ann.email, password=PASSWORD, agency="south", keys=KEYS)


def test_a_client_viewer_sees_one_client(
    database: Database, agency: Agency, client_row: Client, browser: TestClient[Litestar]
) -> None:
    make_client(database, agency, "beta")
    with database.unit(agency.id) as session:
        add_member(
            session,
            principal=owner_of(agency),
            email="carl@acme.example",
            name="Carl",
            role=Role.CLIENT_VIEWER,
            password=PASSWORD,
            client=client_row.slug,
        )
    _enter(browser, email="carl@acme.example")
    assert [client["slug"] for client in browser.get("/api/v1/clients").json()] == ["acme"]
    assert browser.get("/api/v1/clients/beta").status_code == 404


def test_a_principal_knows_what_it_may(agency: Agency) -> None:
    operator = Principal.system(agency.id, "monitor")
    assert [role for role in Role if operator.may(role)] == [Role.OPERATOR, Role.VIEWER, Role.CLIENT_VIEWER]

"""A second factor is asked for where a password opens something; no code works twice; no agency ends it for others."""

from collections.abc import Callable

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlmodel import select

from tests.people.post import Post
from tests.support.factories import make_key, owner_of
from tests.support.people import add_member
from tests.support.phone import Phone
from tuneloop.identity.service import add_member as join_agency
from tuneloop.kit.db import Database
from tuneloop.tables import Agency, AuditEvent, RecoveryCode, Role, SecondFactor, User, WebSession

Http = TestClient[Litestar]

ANN = "ann@north.example"
PASSWORD = "ann's only password"
FACTOR = "/api/v1/account/second-factor"


@pytest.fixture(autouse=True)
def ann(database: Database, agency: Agency) -> User:
    with database.unit(agency.id) as session:
        return add_member(
            session, principal=owner_of(agency), email=ANN, name="Ann", role=Role.ADMIN, password=PASSWORD
        ).user


def sign_in(http: Http, code: str | None = None, **more: str) -> int:
    answer = http.post("/api/v1/session", json={"email": ANN, "password": PASSWORD, "code": code} | more)
    if answer.status_code == 201:
        http.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
    return answer.status_code


def set_up(http: Http) -> tuple[Phone, list[str]]:
    """By somebody who is signed in."""
    begun = http.post(FACTOR, json={"password": PASSWORD})
    assert begun.status_code == 201, begun.text
    phone = Phone(begun.json()["secret"])
    confirmed = http.post(f"{FACTOR}/confirm", json={"code": phone.code()})
    assert confirmed.status_code == 200, confirmed.text
    return phone, confirmed.json()["codes"]


def actions(database: Database) -> list[tuple[str, str]]:
    with database.all_agencies() as session:
        rows = session.exec(select(AuditEvent).order_by(AuditEvent.at)).all()  # type: ignore[arg-type]
        return [(row.action, row.actor_name) for row in rows if "second_factor" in row.action]


def test_once_it_is_on_a_password_alone_opens_nothing(
    browser_of: Callable[[], Http], database: Database, post: Post
) -> None:
    here, there = browser_of(), browser_of()
    assert (sign_in(here), sign_in(there)) == (201, 201)
    assert here.post(FACTOR, json={"password": "a guess at it"}).status_code == 422
    phone, codes = set_up(here)
    assert [http.get("/api/v1/session").status_code for http in (here, there)] == [200, 401]
    assert here.get("/api/v1/account").json()["recovery_codes"] == len(codes) == 10
    refused = there.post("/api/v1/session", json={"email": ANN, "password": PASSWORD})
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "second_factor_needed")
    assert sign_in(there, "000000") == 401
    assert sign_in(there, phone.again) == 401
    assert sign_in(there, phone.code()) == 201
    assert sign_in(browser_of(), phone.again) == 401
    assert actions(database) == [("second_factor.on", "Ann")]
    assert "asks you for a code" in post.to(ANN)[-1]


def test_what_is_stored_opens_nothing(person: Http, database: Database) -> None:
    sign_in(person)
    begun = person.post(FACTOR, json={"password": PASSWORD}).json()["secret"]
    codes = person.post(f"{FACTOR}/confirm", json={"code": Phone(begun).code()}).json()["codes"]
    with database.all_agencies() as session:
        rows = [session.exec(select(table)).all() for table in (SecondFactor, RecoveryCode, WebSession, AuditEvent)]
    stored = str([row.model_dump() for found in rows for row in found])
    for secret in (begun, *codes, *(code.replace("-", "") for code in codes), person.headers["X-CSRF-Token"]):
        assert secret not in stored


def test_a_recovery_code_works_once_and_new_ones_end_the_old(
    browser_of: Callable[[], Http], database: Database
) -> None:
    first, second = browser_of(), browser_of()
    sign_in(first)
    _, codes = set_up(first)
    assert sign_in(second, codes[0].upper().replace("-", " ")) == 201
    assert sign_in(second, codes[0]) == 401
    assert ("second_factor.recovery_code", "Ann") in actions(database)
    renewed = first.post(f"{FACTOR}/recovery-codes", json={"password": PASSWORD}).json()["codes"]
    assert sign_in(second, codes[1]) == 401
    assert sign_in(second, renewed[1]) == 201


def test_guesses_at_a_code_cost_time_and_a_right_password_between_them_does_not_help(
    browser_of: Callable[[], Http],
) -> None:
    ann, thief = browser_of(), browser_of()
    sign_in(ann)
    phone, _ = set_up(ann)
    answers = []
    for number in range(8):
        answers += [sign_in(thief), sign_in(thief, f"{number:06}")]
    assert answers[:2] == [401, 401]
    assert answers[-2:] == [429, 429]
    assert sign_in(thief, phone.code()) == 429


def test_what_changes_how_one_signs_in_asks_again_unless_it_was_shown_just_now(
    browser_of: Callable[[], Http], database: Database
) -> None:
    http = browser_of()
    sign_in(http)
    phone, codes = set_up(http)
    with database.all_agencies() as session:
        (opened,) = session.exec(select(WebSession)).all()
        opened.second_factor_at = None
    change = {"old": PASSWORD, "new": "ann's newest password"}
    for path, body in ((f"{FACTOR}/off", {"password": PASSWORD}), (f"{FACTOR}/recovery-codes", {"password": PASSWORD})):
        assert http.post(path, json=body).json()["error"]["code"] == "second_factor_needed", path
        assert http.post(path, json=body | {"code": "000000"}).status_code == 422, path
    assert http.put("/api/v1/password", json=change).json()["error"]["code"] == "second_factor_needed"
    assert http.put("/api/v1/password", json=change | {"code": codes[0]}).status_code == 204
    assert sign_in(http, phone.code(), password=change["new"]) == 201
    assert http.post(f"{FACTOR}/off", json={"password": change["new"]}).status_code == 204
    assert sign_in(browser_of(), password=change["new"]) == 201


def test_a_key_has_no_second_factor(api: Http) -> None:
    assert api.post(FACTOR, json={"password": PASSWORD}).status_code == 403


def test_an_invitation_is_no_way_around_it(
    browser_of: Callable[[], Http], person: Http, database: Database, elsewhere: Agency, post: Post
) -> None:
    """Of an admin elsewhere who has learnt the password, and shows themselves the link."""
    ann = browser_of()
    sign_in(ann)
    phone, _ = set_up(ann)
    with TestClient(person.app) as owner:
        owner.headers["Authorization"] = f"Bearer {make_key(database, elsewhere)}"
        assert owner.post("/api/v1/invitations", json={"email": ANN}).status_code == 201
    body = {"token": post.token(ANN), "password": PASSWORD}
    refused = person.post("/api/v1/invitations/accept", json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "second_factor_needed")
    assert person.post("/api/v1/invitations/accept", json=body | {"code": phone.code()}).status_code == 201


def test_an_agency_can_ask_everybody_for_it(
    api: Http, browser_of: Callable[[], Http], database: Database, agency: Agency, post: Post
) -> None:
    ann = browser_of()
    sign_in(ann)
    policy = "/api/v1/sign-in-policy"
    assert ann.patch(policy, json={"second_factor_required": True}).status_code == 403
    assert api.patch(policy, json={"second_factor_required": True}).status_code == 200
    assert ann.get("/api/v1/clients").json()["error"]["code"] == "second_factor_missing"
    page = ann.get("/", headers={"Accept": "text/html"})
    assert page.url.path == "/account/second-factor"
    assert "Set it up to go on" in page.text
    assert ann.get("/api/v1/account").status_code == 200
    set_up(ann)
    assert ann.get("/api/v1/clients").status_code == 200
    assert api.patch(policy, json={"second_factor_required": False}).status_code == 200
    with database.all_agencies() as session:
        loosened = session.exec(select(AuditEvent).where(AuditEvent.action == "policy.loosen")).one()
    assert (loosened.detail["about"], loosened.actor_name) == (agency.name, "Olga Owner (key key)")


def test_an_admin_resets_a_lost_one_and_the_person_hears_of_it(
    api: Http, browser_of: Callable[[], Http], ann: User, database: Database, post: Post
) -> None:
    http = browser_of()
    sign_in(http)
    path = f"/api/v1/members/{ann.id}/second-factor-reset"
    assert api.post(path).status_code == 409
    set_up(http)
    assert http.post(path).status_code == 403
    assert api.post(path).json() == {"gone": True}
    assert http.get("/api/v1/session").status_code == 401
    assert "says that your second factor for Tuneloop is lost" in post.to(ANN)[-1]
    assert sign_in(http) == 201
    assert actions(database)[-1] == ("member.second_factor_reset", "Olga Owner (key key)")


def test_the_admin_of_one_agency_takes_nothing_from_another(
    api: Http, browser_of: Callable[[], Http], ann: User, database: Database, elsewhere: Agency
) -> None:
    with database.unit(elsewhere.id) as session:
        join_agency(session, principal=owner_of(elsewhere), email=ANN, name="Ann", role=Role.VIEWER)
    http = browser_of()
    sign_in(http, agency="north")
    set_up(http)
    path = f"/api/v1/members/{ann.id}/second-factor-reset"
    assert [api.post(path).json() for _ in range(2)] == [{"gone": False}] * 2
    assert sign_in(browser_of(), agency="elsewhere") == 401
    with TestClient(http.app) as owner:
        owner.headers["Authorization"] = f"Bearer {make_key(database, elsewhere)}"
        assert owner.post(path).json() == {"gone": True}
    assert sign_in(browser_of(), agency="elsewhere") == 201


def test_in_a_browser_the_code_is_asked_for_on_a_page_of_its_own(browser_of: Callable[[], Http]) -> None:
    ann, other = browser_of(), browser_of()
    sign_in(ann)
    phone, codes = set_up(ann)
    other.headers["Accept"] = "text/html"
    asked = other.post("/sign-in", data={"email": ANN, "password": PASSWORD, "next": "/jobs"})
    step = asked.text.partition('name="step" value="')[2].partition('"')[0]
    assert (asked.status_code, PASSWORD in asked.text, len(step) > 100) == (200, False, True)
    form = {"step": step, "next": "/jobs"}
    assert other.post("/sign-in/code", data=form | {"code": "000000"}).status_code == 401
    assert other.post("/sign-in/code", data=form | {"step": "made up", "code": phone.code()}).status_code == 401
    assert other.get("/").url.path == "/sign-in"
    entered = other.post("/sign-in/code", data=form | {"code": codes[0]})
    assert (entered.url.path, "recovery code is used up" in entered.text) == ("/jobs", True)
    ann.put("/api/v1/password", json={"old": PASSWORD, "new": "ann's newest password"})
    late = other.post("/sign-in/code", data=form | {"code": codes[1]})
    assert (late.status_code, "Sign in again" in late.text) == (401, True)

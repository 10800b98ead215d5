"""Who gets in, what a browser is told, and that forms of other sites are refused."""

from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from playwright.sync_api import Browser, expect

from tests.support.browser import Visitor, visitor
from tests.support.committed import Committed
from tests.support.people import add_member
from tests.support.site import PASSWORD, make_person
from tuneloop.identity.request import COOKIE
from tuneloop.kit.db import Database
from tuneloop.kit.principal import Principal
from tuneloop.tables import ActorKind, Agency, Role
from tuneloop.web.console.pages.sign_in import own_path

BROWSER = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def http(app: Litestar, database: Database, agency: Agency) -> Iterator[TestClient[Litestar]]:
    owner = Principal(agency.id, Role.OWNER, ActorKind.USER, None, "Olga", "test")
    with database.unit(agency.id) as session:
        add_member(
            session, principal=owner, email="ann@north.example", name="Ann <b>", role=Role.ADMIN, password=PASSWORD
        )
    with TestClient(app) as client:
        client.headers.update(BROWSER)
        yield client


def _enter(http: TestClient[Litestar], **fields: str) -> int:
    answer = http.post("/sign-in", data={"email": "ann@north.example", "password": PASSWORD, "next": "/"} | fields)
    return answer.status_code


def test_a_stranger_is_asked_to_sign_in_and_then_sees_the_page_asked_for(
    browser: Browser, address: str, home: Committed
) -> None:
    email = make_person(home, Role.ADMIN)
    with visitor(browser, address) as ann:
        ann.page.goto("/?from=mail")
        expect(ann.page).to_have_title("Sign in · Tuneloop")
        ann.page.get_by_label("E-mail").fill(email)
        ann.page.get_by_label("Password").fill(PASSWORD)
        ann.page.keyboard.press("Enter")
        expect(ann.page.get_by_role("heading", name="Portfolio")).to_be_visible()
        assert ann.page.url == f"{address}/?from=mail"
        ann.page.get_by_role("button", name="Sign out").click()
        expect(ann.page.get_by_role("status")).to_have_text("You are signed out.")
        ann.page.goto("/")
        expect(ann.page).to_have_title("Sign in · Tuneloop")
        expect(ann.page.get_by_text("You are signed out.")).to_have_count(0)


def test_a_wrong_password_says_so_and_keeps_the_address(browser: Browser, address: str) -> None:
    person = Visitor(browser, address)
    page = person.sign_in("nobody@nowhere.example", "not the password at all")
    expect(page.get_by_role("alert")).to_have_text("E-mail or password is wrong.")
    expect(page.get_by_label("E-mail")).to_have_value("nobody@nowhere.example")
    person.context.close()


def test_every_page_carries_the_policy_and_is_not_kept(http: TestClient[Litestar]) -> None:
    answer = http.get("/sign-in")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"


def test_names_are_shown_literally(http: TestClient[Litestar]) -> None:
    assert _enter(http) == 200
    assert "Ann &lt;b&gt;" in http.get("/").text


@pytest.mark.parametrize("token", ["", "wrong"])
def test_a_form_without_the_session_s_token_changes_nothing(http: TestClient[Litestar], token: str) -> None:
    assert _enter(http) == 200
    assert http.post("/sign-out", data={"csrf_token": token}).status_code == 401
    assert "Portfolio" in http.get("/").text


def test_another_site_can_t_sign_anybody_in(http: TestClient[Litestar]) -> None:
    answer = http.post(
        "/sign-in",
        data={"email": "ann@north.example", "password": PASSWORD, "next": "/"},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert answer.status_code == 403
    assert COOKIE not in http.cookies


@pytest.mark.parametrize(
    "address", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "/a\nb"]
)
def test_after_signing_in_one_stays_here(address: str) -> None:
    assert own_path(address) == "/"


def test_an_unknown_address_is_a_page_for_people_and_json_for_programs(http: TestClient[Litestar]) -> None:
    assert "Not found" in http.get("/nothing/here").text
    assert http.get("/api/v1/nothing").json()["error"]["code"] == "not_found"
    assert http.get("/nothing", headers={"Accept": "*/*"}).json()["error"]["code"] == "not_found"


def test_assets_are_packed_and_kept(http: TestClient[Litestar]) -> None:
    for name in ("console.css", "console.js", "charts.js", "htmx.min.js", "inter.woff2"):
        answer = http.get(f"/assets/{name}?v=1")
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert http.get("/assets/..%2Frender.py").status_code == 404
    assert http.get("/assets/htmx.LICENSE.txt").status_code == 404

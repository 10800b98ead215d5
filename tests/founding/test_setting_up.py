"""Setting up an agency on its page: who may, with which code, and what there is afterwards."""

from collections.abc import Iterator

import pyotp
import pytest
from httpx import Response
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr
from sqlmodel import select

from tests.support.factories import make_agency
from tests.support.phone import Phone
from tests.support.web_application import web_application
from tuneloop.founding.setup_codes import new_setup_code
from tuneloop.identity.request import COOKIE
from tuneloop.kit.clock import now
from tuneloop.kit.crypto import Vault
from tuneloop.kit.db import Database
from tuneloop.kit.errors import Conflict
from tuneloop.kit.settings import Settings, SignUp
from tuneloop.kit.slugs import slug_of
from tuneloop.kit.storage import Storage
from tuneloop.tables import Agency, BillingAccount, Membership, Role, SecondFactor, SetupCode, User
from tuneloop_reports.style import Language
from tuneloop_reports.style_service import style_of

PASSWORD = "three words and more"
FORM = {
    "name": "Nord & Süd GmbH",
    "slug": "",
    "currency": "eur",
    "timezone": "Europe/Berlin",
    "language": "de",
    "owner": "Olga",
    "email": "olga@north.example",
    "password": PASSWORD,
    "again": PASSWORD,
}


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> Settings:
    return Settings(secret_key=SecretStr("a key of the tests"), sign_up=getattr(request, "param", SignUp.CLOSED))


@pytest.fixture
def http(database: Database, storage: Storage, settings: Settings) -> Iterator[TestClient[Litestar]]:
    with TestClient(web_application(settings, database, storage)) as client:
        client.headers["Accept"] = "text/html"
        yield client


def _code(database: Database, settings: Settings) -> str:
    with database.all_agencies() as session:
        return new_setup_code(session, settings)


def _found(http: TestClient[Litestar], **changed: str) -> Response:
    return http.post("/setup", data=FORM | changed, follow_redirects=False)


def test_the_first_page_of_an_empty_installation_sets_it_up(
    http: TestClient[Litestar], database: Database, settings: Settings
) -> None:
    assert http.get("/").url.path == "/setup"
    answer = _found(http, code=_code(database, settings).lower().replace("-", " "))
    assert (answer.status_code, answer.headers["location"]) == (303, "/"), answer.text
    assert COOKIE in answer.cookies
    with database.all_agencies() as session:
        agency = session.exec(select(Agency)).one()
        assert (agency.slug, agency.name) == ("nord-sud-gmbh", "Nord & Süd GmbH")
        assert session.exec(select(Membership)).one().role is Role.OWNER
        assert not session.exec(select(SetupCode)).all()
    with database.unit(agency.id) as session:
        account = session.exec(select(BillingAccount)).one()
        assert (account.currency, account.timezone) == ("eur", "Europe/Berlin")
        assert style_of(session, None).language is Language.GERMAN
    assert http.get("/").status_code == 200


@pytest.mark.parametrize("code", ["", "AAAAAA-AAAAAA-AAAAAA-AAAAAA"])
def test_without_the_code_nobody_is_first(
    http: TestClient[Litestar], database: Database, settings: Settings, code: str
) -> None:
    _code(database, settings)
    answer = _found(http, code=code)
    assert answer.status_code == 401
    assert "tuneloop agency code" in answer.text.replace("&#39;", "'")
    assert 'value="olga@north.example"' in answer.text
    assert PASSWORD not in answer.text
    with database.all_agencies() as session:
        assert not session.exec(select(Agency)).all()


def test_a_newer_code_replaces_the_one_before_and_none_is_stored(
    http: TestClient[Litestar], database: Database, settings: Settings
) -> None:
    old, new = _code(database, settings), _code(database, settings)
    with database.all_agencies() as session:
        assert new.replace("-", "") not in session.exec(select(SetupCode)).one().code_hash
    assert _found(http, code=old).status_code == 401
    assert _found(http, code=new).status_code == 303


def test_what_was_typed_wrongly_is_said_and_the_code_still_works(
    http: TestClient[Litestar], database: Database, settings: Settings
) -> None:
    code = _code(database, settings)
    assert "at least 12 characters" in _found(http, code=code, password="short", again="short").text
    assert "not the same" in _found(http, code=code, again="three words or more").text
    assert "o time zone" in _found(http, code=code, timezone="Europe/Bielefeld").text
    assert "hort name has lower-case letters" in _found(http, code=code, slug="North!").text
    assert "name is missing" in _found(http, code=code, name=" ").text
    assert _found(http, code=code).status_code == 303


def test_once_there_is_an_agency_sign_up_is_closed_and_says_so(
    http: TestClient[Litestar], database: Database, settings: Settings
) -> None:
    make_agency(database, "north")
    with pytest.raises(Conflict, match="TUNELOOP_SIGN_UP"):
        _code(database, settings)
    assert "Nobody can sign up here" in http.get("/setup").text
    assert _found(http).status_code == 403
    assert "/setup" not in http.get("/sign-in").text


@pytest.mark.parametrize("settings", [SignUp.INVITATION], indirect=True)
def test_by_invitation_each_code_makes_one_agency(
    http: TestClient[Litestar], database: Database, settings: Settings
) -> None:
    make_agency(database, "north")
    one, two = _code(database, settings), _code(database, settings)
    assert "set-up code" in http.get("/sign-in").text
    assert _found(http, code=one).status_code == 303
    assert _found(http, code=one, slug="again", email="ann@north.example").status_code == 401
    taken = _found(http, code=two)
    assert (taken.status_code, "already" in taken.text) == (409, True)
    wrong = _found(http, code=two, slug="second", password="not her password", again="not her password")
    assert wrong.status_code == 401
    assert _found(http, code=two, slug="second").status_code == 303, "Olga confirms with the password that she has"


@pytest.mark.parametrize("settings", [SignUp.OPEN], indirect=True)
def test_open_sign_up_needs_no_code_and_has_a_limit(
    http: TestClient[Litestar], database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_agency(database, "north")
    assert "Set up your agency" in http.get("/sign-in").text
    assert _found(http).status_code == 303
    for number in range(18):
        make_agency(database, f"other-{number}")
    answer = _found(http, slug="one-more", email="ann@north.example")
    assert (answer.status_code, "try again later" in answer.text) == (429, True)


@pytest.mark.parametrize("settings", [SignUp.OPEN], indirect=True)
def test_an_agency_of_one_s_own_is_no_way_around_the_second_factor(
    http: TestClient[Litestar], database: Database, settings: Settings
) -> None:
    make_agency(database, "north")
    assert _found(http).status_code == 303
    secret = pyotp.random_base32()
    with database.all_agencies() as session:
        sealed = Vault(settings.secret_key.get_secret_value()).seal(secret)
        session.add(SecondFactor(user_id=session.exec(select(User.id)).one(), sealed_secret=sealed, confirmed_at=now()))
    refused = _found(http, slug="second")
    assert (refused.status_code, COOKIE in refused.cookies) == (401, False)
    assert 'name="second_factor"' in refused.text
    assert _found(http, slug="second", second_factor=Phone(secret).code()).status_code == 303


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Nord & Süd GmbH", "nord-sud-gmbh"), ("東京", "agency"), ("Ärzte -- ", "arzte"), ("A" * 90, "a" * 40)],
)
def test_a_short_name_is_made_from_the_name(name: str, slug: str) -> None:
    assert slug_of(name, otherwise="agency") == slug

"""An agency's identity provider signs its people in to this agency and to no other, however awkward it is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from litestar import Litestar
from litestar.testing import TestClient
from sqlmodel import select

from tests.support.factories import make_key, owner_of
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider, Person, new_key, oidc_provider
from tests.support.people import add_member
from tuneloop.kit.db import Database
from tuneloop.kit.settings import Settings
from tuneloop.tables import Agency, AuditEvent, InactiveMember, Membership, Role, User, WebSession
from tuneloop.tables import OidcProvider as Stored

Http = TestClient[Litestar]

ANN, PASSWORD = "ann@north.example", "ann's only password"
REDIRECT = "https://tuneloop.example/sign-in/provider/back"
PATH = "/api/v1/identity-provider"
GROUPS = {"tuneloop-admins": "admin", "staff": "viewer"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"reachable_networks": "127.0.0.0/8"})


@pytest.fixture
def provider() -> Iterator[OidcProvider]:
    known = {"email": ANN, "email_verified": True, "name": "Ann of the provider", "groups": ["staff"]}
    with oidc_provider(REDIRECT, Person("sub-1", known)) as running:
        yield running


@pytest.fixture
def ann(database: Database, agency: Agency) -> User:
    with database.unit(agency.id) as session:
        return add_member(
            session, principal=owner_of(agency), email=ANN, name="Ann", role=Role.OPERATOR, password=PASSWORD
        ).user


def put(http: Http, provider: OidcProvider, **more: Any) -> httpx.Response:
    body = {"issuer": provider.url, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    return http.put(PATH, json=body | more)


@dataclass
class Journey:
    """A browser between us and the provider: it follows redirects by itself, so that a test can look at each."""

    http: Http

    def leave(self, slug: str = "north", following: str = "/jobs") -> str:
        answer = self.http.get(f"/sign-in/provider/{slug}", params={"next": following}, follow_redirects=False)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def at_the_provider(self, url: str) -> str:
        answer = httpx.get(url)
        assert answer.status_code == 302, answer.text
        return str(answer.headers["location"])

    def back(self, url: str) -> httpx.Response:
        return self.http.get(url.removeprefix("https://tuneloop.example"), follow_redirects=False)

    def whole(self, slug: str = "north") -> httpx.Response:
        return self.back(self.at_the_provider(self.leave(slug)))

    def me(self) -> dict[str, Any]:
        answer = self.http.get("/api/v1/session")
        return dict(answer.json()) if answer.is_success else {}


@pytest.fixture
def journey(browser_of: Callable[[], Http]) -> Callable[[], Journey]:
    def begin() -> Journey:
        http = browser_of()
        http.headers["Accept"] = "text/html"
        return Journey(http)

    return begin


def test_a_member_signs_in_by_code_with_pkce_state_and_nonce(
    api: Http, provider: OidcProvider, journey: Callable[[], Journey], ann: User, database: Database
) -> None:
    assert put(api, provider).status_code == 200
    browser = journey()
    url = browser.leave()
    asked = dict(parse_qsl(urlsplit(url).query))
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    arrived = browser.back(browser.at_the_provider(url))
    assert (arrived.status_code, arrived.headers["location"]) == (303, "/jobs")
    assert browser.me() == {"name": "Ann", "role": "operator", "agency": "north", "client": None}
    with database.all_agencies() as session:
        (stored,), (opened,) = session.exec(select(Stored)).all(), session.exec(select(WebSession)).all()
        told = session.exec(select(AuditEvent).where(AuditEvent.action == "policy.loosen")).one()
    assert opened.by_provider
    assert CLIENT_SECRET not in stored.sealed_secret
    assert told.detail["changes"][0] == f"provider: none \u2192 {provider.url}"


def test_what_is_not_signed_for_this_sign_in_lets_nobody_in(
    api: Http, provider: OidcProvider, journey: Callable[[], Journey], ann: User
) -> None:
    put(api, provider)
    other = new_key()

    def with_claims(**wrong: Any) -> Callable[[dict[str, Any], dict[str, Any], RSAKey], str]:
        return lambda header, claims, key: jwt.encode(header, claims | wrong, key, algorithms=["RS256"])

    def shared_secret(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
        """The public key taken for a secret that both know."""
        public = OctKey.import_key(key.as_pem(private=False))
        return jwt.encode(header | {"alg": "HS256"}, claims, public, algorithms=["HS256"])

    spoiled: dict[str, Callable[[dict[str, Any], dict[str, Any], RSAKey], str]] = {
        "another key under the known name": lambda header, claims, _: jwt.encode(header, claims, other),
        "no signature": lambda header, claims, key: jwt.encode(
            header | {"alg": "none"}, claims, OctKey.import_key("none"), algorithms=["none"]
        ),
        "a shared secret": shared_secret,
        "another nonce": with_claims(nonce="of another sign-in"),
        "no nonce": with_claims(nonce=None),
        "expired": with_claims(exp=1_700_000_000),
        "another audience": with_claims(aud="another application"),
        "for several, and made for another": with_claims(aud=[CLIENT_ID, "b"], azp="b"),
        "for several, and made for nobody": with_claims(aud=[CLIENT_ID, "b"]),
        "another issuer": with_claims(iss="https://login.elsewhere.example"),
        "unverified address": with_claims(email_verified=False),
        "a word that is not yes": with_claims(email_verified="1"),
        "nothing about the address": with_claims(email_verified=None),
        "an address that Entra does not vouch for": with_claims(email_verified=None, xms_edov="0"),
        "no address": with_claims(email="", email_verified=True),
        "no token": lambda *_: "",
        "rubbish": lambda *_: "a.b.c",
    }
    for name, spoil in spoiled.items():
        provider.spoil = spoil
        browser = journey()
        assert browser.whole().status_code == 401, name
        assert browser.me() == {}, name
    provider.spoil = with_claims(email_verified=None, xms_edov="1")
    assert journey().whole().status_code == 303
    provider.spoil = None
    assert journey().whole().status_code == 303


def test_an_answer_opens_something_only_in_the_browser_that_asked(
    api: Http, provider: OidcProvider, journey: Callable[[], Journey], ann: User
) -> None:
    put(api, provider)
    thief, victim = journey(), journey()
    answer = thief.at_the_provider(thief.leave())
    assert victim.back(answer).status_code == 401
    victim.leave()
    assert victim.back(answer).status_code == 401
    assert victim.me() == {}
    assert thief.back(answer).status_code == 303
    assert thief.back(answer).status_code == 401, "a code works once"
    late = journey()
    url = late.at_the_provider(late.leave())
    assert late.back(f"{url}&iss=https%3A%2F%2Flogin.elsewhere.example").status_code == 401
    said = journey()
    said.leave()
    refused = said.back(f"{REDIRECT}?error=access_denied&error_description=%3Cb%3Enot+today")
    assert (refused.status_code, "&lt;b&gt;not today" in refused.text) == (401, True)


def test_keys_and_ways_of_a_provider_may_change_between_two_sign_ins(
    api: Http, provider: OidcProvider, journey: Callable[[], Journey], ann: User
) -> None:
    put(api, provider)
    assert journey().whole().status_code == 303
    provider.rotate()
    assert journey().whole().status_code == 303
    provider.methods, provider.only_userinfo = ("client_secret_post",), True
    assert journey().whole().status_code == 303
    provider.broken = True
    down = journey().http.get("/sign-in/provider/north")
    assert (down.status_code, "no OpenID provider at" in down.text) == (422, True)


def test_the_provider_of_one_agency_signs_nobody_in_to_another(
    api: Http, provider: OidcProvider, journey: Callable[[], Journey], ann: User, elsewhere: Agency, database: Database
) -> None:
    """Elsewhere's provider claims to be Ann of North, who has an account, and an owner who is to join North later."""
    with TestClient(api.app) as owner:
        owner.headers["Authorization"] = f"Bearer {make_key(database, elsewhere)}"
        assert put(owner, provider, roles=GROUPS).status_code == 200
    home = TestClient(api.app, base_url="https://tuneloop.example")
    opened = home.post("/api/v1/session", json={"email": ANN, "password": PASSWORD})
    assert opened.status_code == 201
    browser = journey()
    assert browser.whole("elsewhere").status_code == 303
    assert browser.me() | {"role": "viewer"} == {"name": "Ann", "role": "viewer", "agency": "elsewhere", "client": None}
    api_headers = {"X-CSRF-Token": "unused", "Accept": "application/json"}
    for path in ("/api/v1/account", "/account"):
        assert browser.http.get(path, headers=api_headers).status_code == 403, path
    page = browser.http.get("/jobs").text
    token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
    proof = {"X-CSRF-Token": token}
    assert browser.http.delete("/api/v1/account/sessions", headers=proof).status_code == 403
    body = {"old": PASSWORD, "new": "the provider's password"}
    assert browser.http.put("/api/v1/password", json=body, headers=proof).status_code == 403
    assert (
        browser.http.post("/api/v1/account/second-factor", json={"password": PASSWORD}, headers=proof).status_code
        == 403
    )
    assert home.get("/api/v1/session").json()["agency"] == "north"
    assert journey().http.get("/sign-in/provider/north").status_code == 404
    with database.all_agencies() as session:
        joined = session.exec(select(Membership).where(Membership.user_id == ann.id)).all()
    assert {row.agency_id == elsewhere.id: row.role for row in joined} == {False: Role.OPERATOR, True: Role.VIEWER}


def test_roles_follow_groups_but_owners_are_made_by_owners(
    api: Http, provider: OidcProvider, journey: Callable[[], Journey], database: Database, agency: Agency, ann: User
) -> None:
    for role in ("owner", "client_viewer"):
        assert put(api, provider, roles={"staff": role}).status_code == 422
    assert put(api, provider, roles=GROUPS).status_code == 200
    browser = journey()
    for groups, role in ((["staff"], "viewer"), (["staff", "tuneloop-admins"], "admin"), ("staff", "viewer")):
        provider.person.claims["groups"] = groups
        browser.whole()
        assert browser.me()["role"] == role
    provider.person.claims["groups"] = ["visitors"]
    assert journey().whole().status_code == 401
    put(api, provider, roles=GROUPS, groups_claim="realm_access.roles")
    provider.person.claims["realm_access"] = {"roles": ["tuneloop-admins"]}
    assert journey().whole().status_code == 303
    with database.unit(agency.id) as session:
        session.exec(select(Membership).where(Membership.user_id == ann.id)).one().role = Role.OWNER
    provider.person.claims["realm_access"] = {"roles": []}
    browser.whole()
    assert browser.me()["role"] == "owner"


def test_somebody_new_joins_by_a_group_and_a_deactivated_member_does_not(
    api: Http, provider: OidcProvider, journey: Callable[[], Journey], database: Database, agency: Agency
) -> None:
    provider.person.claims["email"] = "New.Hire@North.example"
    put(api, provider)
    assert journey().whole().status_code == 401
    put(api, provider, roles=GROUPS)
    browser = journey()
    browser.whole()
    assert (browser.me()["name"], browser.me()["role"]) == ("Ann of the provider", "viewer")
    with database.unit(agency.id) as session:
        hired = session.exec(select(User).where(User.email == "new.hire@north.example")).one()
        joined = session.exec(select(AuditEvent).where(AuditEvent.action == "member.join")).one()
    assert joined.actor_name == "identity provider"
    assert api.post(f"/api/v1/members/{hired.id}/deactivate").status_code == 200
    assert browser.me() == {}
    assert journey().whole().status_code == 401
    with database.unit(agency.id) as session:
        assert len(session.exec(select(InactiveMember)).all()) == 1


def test_an_address_that_another_person_got_is_not_the_member(
    api: Http, provider: OidcProvider, journey: Callable[[], Journey], ann: User
) -> None:
    put(api, provider)
    assert journey().whole().status_code == 303
    provider.person.claims["email"] = "ann.married@north.example"
    renamed = journey()
    renamed.whole()
    assert renamed.me()["name"] == "Ann"
    provider.person = Person("sub-2", {"email": ANN, "email_verified": True})
    assert journey().whole().status_code == 401


def test_passwords_can_be_closed_but_for_one_owner_in_an_emergency(
    api: Http,
    provider: OidcProvider,
    journey: Callable[[], Journey],
    ann: User,
    agency: Agency,
    database: Database,
    browser_of: Callable[[], Http],
) -> None:
    with database.unit(agency.id) as session:
        owner = {"email": "oda@north.example", "name": "Oda", "role": Role.OWNER, "password": PASSWORD}
        add_member(session, principal=owner_of(agency), **owner)  # type: ignore[arg-type]
    assert put(api, provider, only=True).status_code == 409, "a key whose owner has no password"
    people = {}
    for email in (ANN, "oda@north.example"):
        people[email] = browser_of()
        opened = people[email].post("/api/v1/session", json={"email": email, "password": PASSWORD})
        people[email].headers["X-CSRF-Token"] = opened.json()["csrf_token"]
    oda = people["oda@north.example"]
    assert put(people[ANN], provider, only=True).status_code == 403
    made = put(oda, provider, only=True)
    assert (made.json()["only"], made.json()["emergency_owner"]) == (True, "oda@north.example")
    assert [each.get("/api/v1/session").status_code for each in people.values()] == [401, 200]
    closed = browser_of().post("/api/v1/session", json={"email": ANN, "password": PASSWORD})
    assert (closed.status_code, "choose 'Sign in with your agency'" in closed.text) == (403, True)
    form = browser_of().post("/sign-in", data={"email": ANN, "password": PASSWORD, "next": "/"})
    assert "Passwords do not open north" in form.text
    assert (
        browser_of().post("/api/v1/session", json={"email": "oda@north.example", "password": PASSWORD}).status_code
        == 201
    )
    browser = journey()
    browser.whole()
    assert browser.me()["name"] == "Ann"
    api.patch("/api/v1/sign-in-policy", json={"second_factor_required": True})
    assert browser.http.get("/api/v1/clients").status_code == 200, "the provider asks for it"
    assert api.delete(PATH).status_code == 204
    assert browser.me() == {}
    assert browser_of().post("/api/v1/session", json={"email": ANN, "password": PASSWORD}).status_code == 201


def test_an_issuer_is_asked_before_it_is_stored_and_leads_to_no_private_network(
    api: Http, provider: OidcProvider
) -> None:
    assert put(api, provider, issuer=provider.url + "/elsewhere").status_code == 422
    assert put(api, provider, issuer="http://169.254.169.254").json()["error"]["code"] == "address_refused"
    assert put(api, provider, issuer="file:///etc/passwd").status_code == 422
    assert put(api, provider, client_secret=None).status_code == 422
    assert api.get(PATH).status_code == 404
    assert put(api, provider).status_code == 200
    assert put(api, provider, client_secret=None, groups_claim="teams").json()["groups_claim"] == "teams"
    assert "secret" not in api.get(PATH).text

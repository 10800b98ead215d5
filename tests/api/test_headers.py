"""Every answer tells browsers to guess nothing, frame nothing, leak nothing and keep nothing, also when it refuses."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr

from tests.api.routes import ENDPOINTS, Endpoint, missing, own
from tests.api.test_other_tenant import call
from tests.support.factories import make_key
from tests.support.web_application import any_application
from tests.support.worlds import Place
from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.web.app import create_app
from tuneloop_local.emulators.slack.app import Emulator
from tuneloop_local.emulators.slack.app import create_emulator as create_slack
from tuneloop_local.emulators.slack.workspace import App
from tuneloop_local.emulators.smtp.box import Mailbox
from tuneloop_local.emulators.smtp.page import create_page

Http = TestClient[Litestar]
MAY_BE_KEPT = (
    "GET /brand/{colour}",
    "GET /assets/{name}",
    "GET /api/v1/clients/{client}/reports/{month}/pdf",
    "GET /api/v1/cycles/{cycle_id}/events",
)
"""The last two say for themselves that nobody may use a copy without asking: files by digest, streams of events."""


@pytest.fixture(scope="module")
def down() -> Iterator[Http]:
    """Without a database, most routes end in an error of ours."""
    with TestClient(any_application(), raise_server_exceptions=False) as http:
        yield http


def _check(answer: httpx.Response, *, kept: bool = False) -> None:
    headers = answer.headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert "'unsafe-inline'" not in policy.get("script-src", "")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] in ("no-referrer", "same-origin")
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert kept or headers["cache-control"] == "no-store"
    for header in ("content-security-policy", "cache-control", "referrer-policy"):
        assert len(headers.get_list(header)) == 1


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_whatever_a_stranger_gets_says_so(down: Http, endpoint: Endpoint) -> None:
    for accept in ("text/html", "application/json"):
        url = endpoint.url(missing() | {"token": "x", "name": "icon.svg", "slug": "nobody", "colour": "336699.css"})
        answer = down.request(endpoint.method, url, headers={"Accept": accept}, follow_redirects=False)
        _check(answer, kept=str(endpoint) in MAY_BE_KEPT)


@pytest.mark.usefixtures("undo")
@pytest.mark.parametrize("endpoint", [each for each in ENDPOINTS if each.role and each.method == "GET"], ids=str)
def test_whatever_an_owner_reads_says_so(site: Http, place: Place, endpoint: Endpoint) -> None:
    key = make_key(place.database, place.worlds.acme.agency)
    _check(call(site, endpoint, own(place.worlds.acme), key), kept=str(endpoint) in MAY_BE_KEPT)


def test_so_do_answers_without_a_route(down: Http) -> None:
    for method, path in (("GET", "/nowhere"), ("PUT", "/healthz"), ("GET", "/schema/openapi.json"), ("OPTIONS", "/")):
        _check(down.request(method, path))
    _check(down.post("/sign-in", headers={"Content-Length": str(1 << 30)}))


@pytest.mark.parametrize(
    ("public_url", "told"), [("https://tuneloop.example", True), ("http://tuneloop.example", False), ("", False)]
)
def test_only_a_site_with_tls_asks_for_tls_for_good(tmp_path: Path, public_url: str, told: bool) -> None:
    nowhere = Database(make_engine("postgresql://nobody@127.0.0.1:1/none"))
    settings = Settings(data_dir=tmp_path, public_url=public_url, secret_key=SecretStr("x"))
    app = create_app(settings, nowhere, Storage("memory:///", cache=tmp_path), lifespan=())
    assert ("strict-transport-security" in TestClient(app).get("/healthz").headers) is told


def test_so_do_the_stand_ins(tmp_path: Path) -> None:
    box = Mailbox(tmp_path / "box")
    box.take(b"Subject: Hi\nContent-Type: text/html\n\n<b>Hello</b>", sender="a@b.example", recipient="c@d.example")
    pages = TestClient(create_page(box))
    for path in ("/", f"/{box.names()[0]}", f"/{box.names()[0]}/raw", "/nothing"):
        _check(pages.get(path))
    framed = pages.get(f"/{box.names()[0]}/html").headers["content-security-policy"]
    assert framed.startswith("sandbox;")
    assert "frame-ancestors 'self'" in framed
    app = App(client_id="1", client_secret="s", signing_secret="s", request_url="http://127.0.0.1:1")
    slack = TestClient(create_slack(Emulator(port=1, app=app, file=tmp_path / "slack.json")))
    for path in ("/", "/state", "/static/page.js", "/nothing"):
        _check(slack.get(path), kept=path.startswith("/static"))

"""The HTTP edge: one transaction a request, one shape for errors, deny by default, a complete OpenAPI document."""

from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.testing import TestClient
from sqlalchemy import text
from sqlmodel import select

from tests.api.routes import PRIVATE
from tests.support.factories import make_key
from tests.support.sample_jobs import Errand
from tests.support.web_application import any_application
from tests.support.worlds import Place
from tuneloop.identity.request import known_caller
from tuneloop.kit.errors import Conflict
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import JobRow, enqueue
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Client, Role
from tuneloop.web.app import _deny_by_default

Http = TestClient[Litestar]

pytestmark = pytest.mark.usefixtures("undo")


def _write(session: TenantSession, slug: str) -> None:
    session.add(Client(slug=slug, name=slug))
    assert session.agency_id is not None
    enqueue(session, Errand(subject=new_id()), agency_id=session.agency_id)
    session.flush()


@post("/api/v1/test/{how:str}", role=Role.OPERATOR, sync_to_thread=True)
def endpoint(session: NamedDependency[TenantSession], how: FromPath[str]) -> None:
    _write(session, how)
    if how == "conflict":
        raise Conflict("not now", cycle="7")
    if how == "crash":
        raise RuntimeError("secret detail of the inside")


@pytest.fixture
def extended(site: Http, place: Place) -> Iterator[Http]:
    """The site with an endpoint that writes and then ends in the way its path says."""
    api = next(route for route in site.app.routes if route.path == "/api/v1/clients")
    dependencies = api.route_handlers[0].resolve_dependencies()
    app = Litestar(
        [endpoint],
        dependencies=dependencies,
        guards=[known_caller],
        exception_handlers=site.app.exception_handlers,
        state=site.app.state,
        logging_config=None,
    )
    with TestClient(app, raise_server_exceptions=False) as http:
        http.headers["Authorization"] = f"Bearer {make_key(place.database, place.worlds.globex.agency)}"
        yield http


def _written(place: Place) -> tuple[set[str], int]:
    with place.database.unit(place.worlds.globex.agency.id) as session:
        jobs = session.exec(select(JobRow).where(JobRow.name == Errand.name)).all()
        return set(session.exec(select(Client.slug))) - {"globex"}, len(jobs)


def test_a_request_that_succeeds_is_committed(extended: Http, place: Place) -> None:
    assert extended.post("/api/v1/test/fine").status_code == 201
    assert _written(place) == ({"fine"}, 1)


@pytest.mark.parametrize(("how", "status"), [("conflict", 409), ("crash", 500)])
def test_a_request_that_fails_leaves_nothing(extended: Http, place: Place, how: str, status: int) -> None:
    answer = extended.post(f"/api/v1/test/{how}")
    assert answer.status_code == status
    assert _written(place) == (set(), 0)


def test_an_error_says_what_happened_in_one_shape(extended: Http) -> None:
    assert extended.post("/api/v1/test/conflict").json() == {
        "error": {"code": "conflict", "message": "not now", "details": {"cycle": "7"}}
    }
    crashed = extended.post("/api/v1/test/crash")
    assert crashed.json()["error"]["code"] == "internal"
    assert "secret" not in crashed.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/api/v1/nothing", 404), ("PUT", "/api/v1/clients", 405), ("GET", "/api/v1/jobs/not-an-id", 404)],
)
def test_litestar_s_own_errors_have_the_same_shape(site: Http, method: str, path: str, status: int) -> None:
    answer = site.request(method, path)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"code", "message", "details"}


def test_an_unreadable_body_is_the_caller_s_fault(site: Http, place: Place) -> None:
    headers = {"Authorization": f"Bearer {make_key(place.database, place.worlds.acme.agency)}"}
    answer = site.post("/api/v1/clients", content=b"{nonsense", headers=headers)
    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"code", "message", "details"}


def test_a_route_without_a_role_does_not_start() -> None:
    @get("/api/v1/open", sync_to_thread=False)
    def forgotten() -> str:
        return "everything"

    with pytest.raises(RuntimeError, match="names neither role= nor public=True"):
        _deny_by_default(Litestar([forgotten], logging_config=None))


def test_the_openapi_document_names_every_private_route_of_the_api() -> None:
    document: dict[str, Any] = any_application().openapi_schema.to_schema()
    assert document["openapi"].startswith("3.1")
    assert {path.split("/")[1] for path in document["paths"]} <= {"api", "v1", "healthz", "readyz"}
    for route in PRIVATE:
        if not route.path.startswith("/api/"):
            continue  # a page
        operation = document["paths"][route.path][route.method.lower()]
        assert operation.get("summary") or operation.get("description"), str(route)
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


def test_the_process_says_how_it_is(site: Http) -> None:
    assert site.get("/healthz").text == "ok"
    assert site.get("/readyz").json() == {"database": "up"}
    assert "python_info" in site.get("/metrics").text


def test_without_its_database_the_process_is_alive_but_not_ready() -> None:
    with TestClient(any_application()) as http:
        assert http.get("/healthz").status_code == 200
        assert http.get("/readyz").status_code == 503


def test_the_site_runs_as_the_application_s_role(place: Place) -> None:
    assert place.connection.scalar(text("select current_user")) == "tuneloop_app"


def test_what_the_database_cannot_hold_is_the_caller_s_to_mend(api: TestClient[Litestar]) -> None:
    answer = api.post("/api/v1/exports", json={"kind": "text", "target": "Ann", "client": "\x00"})
    assert (answer.status_code, "NUL character" in answer.text) == (422, True), answer.text
    typed = api.post("/clients/nowhere", data={"name": "\x00"}, headers={"Accept": "text/html"})
    assert typed.status_code in (303, 403, 404, 422), typed.text

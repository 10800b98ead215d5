"""Requests as the OpenAPI document allows them, and some that it does not, with keys of every role."""

import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from tests.api.routes import ENDPOINTS, OTHER, Endpoint, missing, own
from tests.support.factories import make_key
from tests.support.from_schema import TEXT, Values
from tests.support.web_application import any_application
from tests.support.worlds import Place
from tuneloop.identity.key_failures import KeyFailures
from tuneloop.kit.principal import Principal
from tuneloop.tables import ActorKind, Role

pytestmark = pytest.mark.failure_case(18)

REQUESTS, OF = (100, 1) if os.environ.get("TUNELOOP_FAILURES") else (2, 5)
"""So many to every route, or to every fifth."""

NOT_SET_UP = 503
"""There is neither a gateway nor a Slack app here."""

DOCUMENT = any_application().openapi_schema.to_schema()
OPERATIONS: Mapping[str, Any] = {
    f"{method.upper()} {path}": operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
EXPLORED = [each for each in ENDPOINTS if str(each) in OPERATIONS][::OF]


class Asked(NamedTuple):
    """`role` is None for a caller without a key."""

    role: Role | None
    path: dict[str, str]
    params: dict[str, Any]
    body: Any


def requests_to(endpoint: Endpoint, place: Place) -> st.SearchStrategy[Asked]:
    operation, mine = OPERATIONS[str(endpoint)], own(place.worlds.acme)
    values, nothing = Values(DOCUMENT, mine), missing()
    named = {
        name: st.sampled_from([mine[name]] * 4 + [nothing[name]]) if name in mine else st.just("x")
        for name in endpoint.parameters
    }
    query = {each["name"]: each["schema"] for each in operation.get("parameters", ()) if each["in"] == "query"}
    wanted = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return st.builds(
        Asked,
        role=st.sampled_from([*Role, None]),
        path=st.fixed_dictionaries(named),
        params=st.fixed_dictionaries({}, optional={name: values.of(each) | TEXT for name, each in query.items()}),
        body=values.of(wanted["schema"], depth=1) if wanted else st.none(),
    )


@pytest.fixture(scope="module")
def keys(place: Place) -> dict[Role, str]:
    return {role: make_key(place.database, place.worlds.acme.agency, role=role) for role in Role}


@pytest.mark.parametrize("endpoint", EXPLORED, ids=str)
def test_no_request_breaks_a_route_or_gets_more_than_its_role_may(
    site: TestClient[Litestar], place: Place, keys: dict[Role, str], endpoint: Endpoint
) -> None:
    theirs = place.worlds.globex
    secret = {str(theirs.client.id), str(theirs.agency.id), str(theirs.model.id), theirs.client.slug}

    @settings(
        max_examples=REQUESTS,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(requests_to(endpoint, place))
    def explore(asked: Asked) -> None:
        site.app.state.key_failures = KeyFailures()  # nothing is known of this address yet
        headers = {"Authorization": f"Bearer {keys[asked.role]}"} if asked.role else {}
        content = dict(OTHER.get(str(endpoint), {}))
        if asked.body is not None:
            content = {"content": json.dumps(asked.body), "headers": {"Content-Type": "application/json"}}
        content["headers"] = content.get("headers", {}) | headers
        content["params"] = content.get("params", {}) | asked.params
        with place.connection.begin_nested() as savepoint:
            answer = site.request(endpoint.method, endpoint.url(asked.path), **content)
            savepoint.rollback()
        assert answer.status_code < 500 or answer.status_code == NOT_SET_UP, (asked, answer.text)
        assert not [each for each in secret if each in answer.text], asked
        if endpoint.role is not None and not _may(place, asked.role, endpoint.role):
            assert answer.status_code == (403 if asked.role else 401), (asked, answer.text)

    explore()


def _may(place: Place, role: Role | None, needed: Role) -> bool:
    if role is None:
        return False
    return Principal(place.worlds.acme.agency.id, role, ActorKind.SYSTEM, None, "nobody", "test").may(needed)

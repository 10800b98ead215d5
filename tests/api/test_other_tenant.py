"""Every route of the route table, asked for somebody else's things. A new route that is not covered fails here."""

from collections.abc import Callable
from typing import Any

import pytest
from httpx import Response
from litestar import Litestar
from litestar.testing import TestClient

from tests.api.routes import ENDPOINTS, JSON, OTHER, PRIVATE, Endpoint, missing, options, own
from tests.support.factories import make_key
from tests.support.worlds import Place
from tuneloop.identity.key_failures import KeyFailures
from tuneloop.kit.ids import new_id
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import Row
from tuneloop.tables import ActorKind, Alert, CycleState, Example, Feedback, RetrainingCycle, Role

Http = TestClient[Litestar]

pytestmark = [pytest.mark.usefixtures("undo"), pytest.mark.failure_case(18)]

PUBLIC = {
    "POST /api/v1/session",
    "POST /v1/chat/completions",
    "POST /v1/feedback",
    "GET /v1/models",
    "GET /v1/models/{name}",
    "POST /api/v1/invitations/offer",
    "POST /api/v1/invitations/accept",
    "POST /api/v1/password/forgotten",
    "POST /api/v1/password/reset",
    "GET /invitation",
    "POST /invitation",
    "GET /password",
    "POST /password",
    "GET /password/forgotten",
    "POST /password/forgotten",
    "GET /setup",
    "POST /setup",
    "GET /sign-in",
    "POST /sign-in",
    "POST /sign-in/code",
    "GET /sign-in/provider",
    "GET /sign-in/provider/{slug}",
    "GET /sign-in/provider/back",
    "GET /assets/{name}",
    "GET /brand/{colour}",
    "GET /mail/unsubscribe/{token}",
    "GET /r/{token}",
    "GET /r/{token}/report.pdf",
    "GET /r/{token}/numbers.csv",
    "POST /mail/unsubscribe/{token}",
    "GET /fix/{token}",
    "POST /fix/{token}",
    "POST /webhooks/stripe/connect",
    "GET /billing/thanks",
    "POST /webhooks/stripe/{token}",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
}
NAMELESS = {
    "GET /reports",
    "POST /reports",
    "GET /reports/sender",
    "POST /reports/sender",
    "POST /reports/sender/proof",
    "GET /reports/style",
    "POST /reports/style",
    "GET /reports/style/logo",
    "POST /reports/style/logo",
    "GET /schedules",
    "GET /new-client",
    "POST /new-client",
    "GET /api/v1/checklist",
    "GET /api/v1/slack",
    "POST /api/v1/slack/installations",
    "PUT /api/v1/slack/channel",
    "GET /answer",
    "POST /answer",
    "GET /slack",
    "POST /slack/connect",
    "POST /slack/channel",
    "GET /slack/link",
    "POST /slack/link",
    "GET /api/v1/mail",
    "GET /api/v1/reports",
    "GET /api/v1/report-style",
    "PATCH /api/v1/report-style",
    "POST /api/v1/report-style/logo",
    "GET /api/v1/mail/blocks",
    "GET /api/v1/mail/sender",
    "PUT /api/v1/mail/sender",
    "POST /api/v1/mail/sender/proof",
    "GET /",
    "POST /sign-out",
    "GET /members",
    "POST /members",
    "GET /keys",
    "POST /keys",
    "GET /audit",
    "GET /privacy",
    "POST /privacy/erasures",
    "POST /privacy/exports",
    "POST /api/v1/exports",
    "GET /api/v1/erasures",
    "POST /api/v1/erasures",
    "GET /jobs",
    "GET /api/v1/session",
    "DELETE /api/v1/session",
    "GET /api/v1/members",
    "GET /api/v1/invitations",
    "POST /api/v1/invitations",
    "PUT /api/v1/password",
    "GET /api/v1/account",
    "DELETE /api/v1/account/sessions",
    "GET /account",
    "GET /account/second-factor",
    "POST /account/alert-mail",
    "GET /api/v1/account/alert-mail",
    "PUT /api/v1/account/alert-mail",
    "POST /account/second-factor/begin",
    "POST /account/second-factor/confirm",
    "POST /account/second-factor/codes",
    "POST /account/second-factor/off",
    "POST /api/v1/account/second-factor",
    "POST /api/v1/account/second-factor/confirm",
    "POST /api/v1/account/second-factor/off",
    "POST /api/v1/account/second-factor/recovery-codes",
    "GET /api/v1/sign-in-policy",
    "PATCH /api/v1/sign-in-policy",
    "POST /members/sign-in-policy",
    "GET /members/provider",
    "POST /members/provider",
    "POST /members/provider/remove",
    "GET /api/v1/identity-provider",
    "PUT /api/v1/identity-provider",
    "DELETE /api/v1/identity-provider",
    "POST /account/password",
    "POST /account/sessions/end",
    "GET /api/v1/keys",
    "POST /api/v1/keys",
    "GET /api/v1/audit",
    "GET /api/v1/clients",
    "POST /api/v1/clients",
    "GET /api/v1/bases",
    "GET /api/v1/bases/catalogue",
    "GET /bases",
    "POST /bases",
    "POST /api/v1/bases",
    "GET /api/v1/models",
    "GET /api/v1/jobs",
    "GET /api/v1/portfolio",
    "GET /api/v1/plans",
    "POST /api/v1/plans",
    "GET /api/v1/billing",
    "PATCH /api/v1/billing",
    "POST /api/v1/billing/connection",
    "DELETE /api/v1/billing/connection",
    "GET /api/v1/billing/findings",
    "GET /api/v1/billing/problems",
    "GET /api/v1/billing/events",
    "GET /api/v1/economics",
    "GET /economics",
    "GET /plans",
    "POST /plans",
    "GET /billing",
    "POST /billing",
    "POST /billing/connect",
    "POST /billing/disconnect",
}
WITHOUT_THE_THING = {
    "POST /api/v1/models/{client}": "the base is not registered",
    "DELETE /api/v1/account/sessions/{session_id}": "a key is signed in nowhere",
    "POST /account/sessions/{session_id}/end": "a key is signed in nowhere",
    "GET /api/v1/clients/{client}/reports/{month}/pdf": "its file is not in the store",
    "GET /api/v1/models/{client}/{model}/versions/{version}/files/{name}": "the version has no files",
    "POST /api/v1/models/{client}/{model}/try": "the model has no candidate",
    "POST /models/{client}/{model}/try": "the model has no candidate",
    "POST /api/v1/cycles/{cycle_id}/promote": "nobody asked for a promotion",
    "POST /cycles/{cycle_id}/promote": "nobody asked for a promotion",
    "POST /api/v1/models/{client}/{model}/examples/retire": "the body names no example",
}
NAMED = [endpoint for endpoint in PRIVATE if endpoint.parameters]
LEAVES = [
    endpoint for endpoint in NAMED if "model" in endpoint.parameters and set(endpoint.parameters) - {"client", "model"}
]
NOBODY = (ActorKind.SYSTEM, None, "nobody", "test")


def call(http: Http, endpoint: Endpoint, values: dict[str, str], key: str | None, **changed: Any) -> Response:
    asked = options(endpoint) | changed
    headers = asked.pop("headers", {}) | ({"Authorization": f"Bearer {key}"} if key else {})
    return http.request(endpoint.method, endpoint.url(values), headers=headers, **asked)


def anonymous(answer: Response, values: dict[str, str]) -> tuple[int, str]:
    """The answer with every value that the caller sent replaced by its name."""
    text = answer.text
    for name in sorted(values, key=lambda name: -len(values[name])):
        text = text.replace(values[name], f"<{name}>")
    return answer.status_code, text


@pytest.fixture
def key(place: Place) -> str:
    return make_key(place.database, place.worlds.acme.agency)


def test_every_route_is_covered_here() -> None:
    known = {str(endpoint) for endpoint in NAMED} | NAMELESS | PUBLIC
    assert {str(endpoint) for endpoint in ENDPOINTS} == known
    assert {str(endpoint) for endpoint in ENDPOINTS if endpoint.role is None} == PUBLIC
    assert (set(JSON) | set(OTHER) | set(WITHOUT_THE_THING)) <= {str(endpoint) for endpoint in PRIVATE}


def test_every_path_parameter_is_known() -> None:
    assert {name for endpoint in NAMED for name in endpoint.parameters} == set(missing())


@pytest.mark.parametrize("endpoint", NAMED, ids=str)
def test_another_agency_s_thing_answers_like_no_thing(site: Http, place: Place, key: str, endpoint: Endpoint) -> None:
    theirs, nothing = own(place.worlds.globex), missing()
    answer = anonymous(call(site, endpoint, theirs, key), theirs)
    assert answer[0] == 404, answer
    assert answer == anonymous(call(site, endpoint, nothing, key), nothing)


@pytest.mark.parametrize("endpoint", LEAVES, ids=str)
def test_another_agency_s_thing_under_an_own_name_answers_like_no_thing(
    site: Http, place: Place, key: str, endpoint: Endpoint
) -> None:
    mine = {name: value for name, value in own(place.worlds.acme).items() if name in ("client", "model")}
    theirs, nothing = own(place.worlds.globex) | mine, missing() | mine
    answer = anonymous(call(site, endpoint, theirs, key), theirs)
    assert answer[0] == 404, answer
    assert answer == anonymous(call(site, endpoint, nothing, key), nothing)


@pytest.mark.parametrize("endpoint", NAMED, ids=str)
def test_one_s_own_thing_is_found(site: Http, place: Place, key: str, endpoint: Endpoint) -> None:
    """Shows that the 404s above are the wall's and not the request's."""
    answer = call(site, endpoint, own(place.worlds.acme), key)
    assert (answer.status_code == 404) == (str(endpoint) in WITHOUT_THE_THING), answer.text
    assert answer.status_code not in (400, 401, 403, 500), answer.text


@pytest.mark.parametrize("endpoint", NAMED, ids=str)
def test_a_key_of_one_client_finds_nothing_of_another(site: Http, place: Place, endpoint: Endpoint) -> None:
    acme, beta, _ = place.worlds
    confined = make_key(place.database, acme.agency, role=Role.OPERATOR, client=acme.client.slug)
    theirs, nothing = own(beta), missing()
    answer = anonymous(call(site, endpoint, theirs, confined), theirs)
    assert answer[0] == (403 if endpoint.role is Role.ADMIN else 404), answer
    assert answer == anonymous(call(site, endpoint, nothing, confined), nothing)


@pytest.mark.parametrize("endpoint", [each for each in PRIVATE if not each.parameters], ids=str)
def test_a_list_shows_nothing_of_another_client_or_agency(site: Http, place: Place, endpoint: Endpoint) -> None:
    acme, beta, globex = place.worlds
    confined = make_key(place.database, acme.agency, role=Role.OPERATOR, client=acme.client.slug)
    for token, others in ((confined, (beta, globex)), (make_key(place.database, acme.agency), (globex,))):
        shown = call(site, endpoint, {}, token).text
        for other in others:
            ids = {value for name, value in own(other).items() if name not in ("model", "name", "month")}
            assert not [value for value in ids if value in shown]


@pytest.mark.parametrize("endpoint", PRIVATE, ids=str)
@pytest.mark.parametrize("key", [None, "tl_unknown"])
def test_without_a_key_nothing_is_said(site: Http, place: Place, endpoint: Endpoint, key: str | None) -> None:
    site.app.state.key_failures = KeyFailures()  # nothing is known of this address yet
    answers = [call(site, endpoint, values, key) for values in (own(place.worlds.acme), missing())]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize("endpoint", [each for each in PRIVATE if each.role is not Role.CLIENT_VIEWER], ids=str)
def test_a_role_too_low_is_refused(site: Http, place: Place, endpoint: Endpoint) -> None:
    acme = place.worlds.acme
    assert endpoint.role is not None
    for role in Role:
        if Principal(acme.agency.id, role, *NOBODY).may(endpoint.role):
            continue
        answer = call(site, endpoint, own(acme), make_key(place.database, acme.agency, role=role))
        assert answer.status_code == 403, (role, answer.text)


IN_BODIES: dict[str, tuple[type[Row], Callable[[str], dict[str, Any]]]] = {
    "POST /api/v1/models/{client}/{model}/feedback/accept": (Feedback, lambda ids: {"ids": [ids]}),
    "POST /api/v1/models/{client}/{model}/examples/retire": (Example, lambda ids: {"example_ids": [ids]}),
    "POST /api/v1/models/{client}/{model}/cycles": (Alert, lambda ids: {"alert_id": ids}),
}


@pytest.mark.parametrize("path", IN_BODIES)
def test_another_agency_s_id_in_a_body_answers_like_no_id(site: Http, place: Place, key: str, path: str) -> None:
    acme, beta, globex = place.worlds
    (endpoint,) = [each for each in NAMED if str(each) == path]
    table, body = IN_BODIES[path]
    with place.database.unit(acme.agency.id) as session:
        session.get_one(RetrainingCycle, acme.row(RetrainingCycle).id).state = CycleState.FAILED
    answers = set()
    for used in (str(globex.row(table).id), str(beta.row(table).id), str(new_id())):
        answer = call(site, endpoint, own(acme), key, json=body(used))
        assert answer.status_code != 500
        answers.add(anonymous(answer, {"id": used}))
    assert len(answers) == 1
    assert "<id>" in answers.pop()[1]


def test_the_agency_cannot_be_chosen_by_the_caller(site: Http, place: Place, key: str) -> None:
    globex = place.worlds.globex
    answer = site.post(
        "/api/v1/clients",
        json={"slug": "x", "name": "X", "agency_id": str(globex.agency.id)},
        headers={"Authorization": f"Bearer {key}", "X-Agency-Id": str(globex.agency.id)},
    )
    assert answer.status_code == 400

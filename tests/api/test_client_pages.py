"""Every page that a client's account can open bears the agency's name and colour, and no other's name."""

import re
from io import BytesIO
from uuid import UUID

import pytest
from httpx import Response
from litestar import Litestar
from litestar.testing import TestClient
from PIL import Image
from sqlmodel import select

from tests.api.routes import ENDPOINTS, Endpoint, own
from tests.support.factories import make_key
from tests.support.worlds import Place
from tuneloop.tables import Membership, Report, ReportState, ReportStyle, Role, User
from tuneloop.web.console.brand import brand_of_person, contrast, readable

Http = TestClient[Litestar]
NAME, COLOUR = "Nord & Söhne", "#0B6E4F"
BROWSER = {"accept": "text/html"}
OF_CLIENTS = [
    each
    for each in ENDPOINTS
    if each.method == "GET" and each.role is Role.CLIENT_VIEWER and not each.path.startswith(("/api/", "/v1/"))
]

pytestmark = pytest.mark.usefixtures("undo")


@pytest.fixture
def dressed(place: Place) -> Place:
    """Acme's agency has given its reports a look."""
    with place.database.unit(place.worlds.acme.agency.id) as session:
        for row in session.exec(select(ReportStyle)).all():
            session.delete(row)
        session.flush()
        session.add(ReportStyle(client_id=None, values={"brand": NAME, "accent": COLOUR}))
    return place


def mark(report: Place, state: ReportState) -> None:
    with report.database.unit(report.worlds.acme.agency.id) as session:
        for row in session.exec(select(Report)).all():
            row.state = state


def is_dressed(answer: Response) -> None:
    assert '<link rel="stylesheet" href="/brand/0b6e4f.css">' in answer.text
    assert "Nord &amp; Söhne</a>" in answer.text
    assert re.search(r"<title>[^<]* · Nord &amp; Söhne</title>", answer.text)
    assert "Tuneloop" not in answer.text


def test_the_agency_s_logo_and_style_are_seen_by_who_is_confined_to_a_client(site: Http, dressed: Place) -> None:
    acme, picture = dressed.worlds.acme, BytesIO()
    Image.new("RGB", (8, 8), COLOUR).save(picture, "PNG")
    owner = {"Authorization": f"Bearer {make_key(dressed.database, acme.agency)}"}
    sent = site.post("/api/v1/report-style/logo", headers=owner, content=picture.getvalue())
    assert sent.is_success, sent.text
    for role in (Role.CLIENT_VIEWER, Role.OPERATOR):
        key = make_key(dressed.database, acme.agency, role=role, client=acme.client.slug)
        headers = BROWSER | {"Authorization": f"Bearer {key}"}
        assert site.get("/reports/style/logo", headers=headers).headers["content-type"] == "image/png"
        shown = site.get("/reports", headers=headers).text
        assert ('<img class="logo" src="/reports/style/logo"' in shown) is (role is Role.CLIENT_VIEWER)
    style = site.get("/api/v1/report-style", params={"client": acme.client.slug}, headers=headers).json()
    assert (style["brand"], style["accent"]) == (NAME, COLOUR)


@pytest.mark.parametrize("endpoint", OF_CLIENTS, ids=str)
def test_every_page_of_a_client_s_account(site: Http, dressed: Place, endpoint: Endpoint) -> None:
    acme = dressed.worlds.acme
    mark(dressed, ReportState.DELIVERED)
    key = make_key(dressed.database, acme.agency, role=Role.CLIENT_VIEWER, client=acme.client.slug)
    headers = BROWSER | {"Authorization": f"Bearer {key}"}
    answer = site.get(endpoint.url(own(acme)), headers=headers, follow_redirects=False)
    not_there = endpoint.path in ("/slack/link", "/reports/style/logo")
    assert answer.status_code in ((404,) if not_there else (200, 403)), answer.text
    if endpoint.path.endswith("/view"):
        assert "Tuneloop" not in answer.text
    else:
        is_dressed(answer)


def test_pages_that_are_not_there_and_not_theirs(site: Http, dressed: Place) -> None:
    acme = dressed.worlds.acme
    key = make_key(dressed.database, acme.agency, role=Role.CLIENT_VIEWER, client=acme.client.slug)
    for path, status in (("/clients/nobody", 404), ("/members", 403)):
        answer = site.get(path, headers=BROWSER | {"Authorization": f"Bearer {key}"})
        assert answer.status_code == status
        is_dressed(answer)


def test_a_client_sees_its_reports_once_they_are_sent(site: Http, dressed: Place) -> None:
    acme = dressed.worlds.acme
    key = make_key(dressed.database, acme.agency, role=Role.CLIENT_VIEWER, client=acme.client.slug)
    headers, path = {"Authorization": f"Bearer {key}"}, f"/api/v1/clients/{acme.client.slug}/reports/2026-01"
    for state, seen in ((ReportState.DRAFT, False), (ReportState.APPROVED, False), (ReportState.DELIVERED, True)):
        mark(dressed, state)
        assert bool(site.get("/api/v1/reports", headers=headers).json()) is seen
        for each in (path, f"{path}/csv"):
            assert site.get(each, headers=headers).status_code == (200 if seen else 404)


def test_the_way_in_is_dressed_where_the_agency_is_known(site: Http, dressed: Place) -> None:
    slug = dressed.worlds.acme.agency.slug
    for path in ("/sign-in", "/password/forgotten", "/billing/thanks"):
        is_dressed(site.get(path, params={"agency": slug}))
        plain, nobody = (site.get(path, params=given).text for given in ({}, {"agency": "nobody"}))
        assert plain == nobody, "an agency that is not there looks like none"
        assert NAME not in plain
    wrong = {"email": "nobody@client.example", "password": "wrong", "at": slug}
    refused = site.post("/sign-in", data=wrong)
    assert refused.status_code == 401
    is_dressed(refused)


def test_an_invited_client_is_received_by_the_agency(site: Http, dressed: Place) -> None:
    acme = dressed.worlds.acme
    owner = {"Authorization": f"Bearer {make_key(dressed.database, acme.agency)}"}
    invited = {"email": "new@client.example", "role": "client_viewer", "client": acme.client.slug}
    made = site.post("/api/v1/invitations", json=invited, headers=owner)
    assert made.status_code == 201, made.text
    shown = site.post(f"/api/v1/invitations/{made.json()['id']}/link", headers=owner).json()["url"]
    is_dressed(site.get("/invitation", params={"token": shown.partition("token=")[2]}))


def test_a_person_who_is_a_client_s_viewer_alone_has_its_agency_s_look(dressed: Place) -> None:
    acme = dressed.worlds.acme
    with dressed.database.unit(acme.agency.id) as session:
        user = User(email="viewer@client.example", name="Vi")
        session.add(user)
        session.flush()
        session.add(Membership(user_id=user.id, role=Role.CLIENT_VIEWER, member_client_id=acme.client.id))
        viewer: UUID = user.id
    with dressed.database.all_agencies() as session:
        brand = brand_of_person(session, viewer)
        colleague = session.exec(select(Membership.user_id).where(Membership.role != Role.CLIENT_VIEWER)).first()
        assert colleague is not None
        assert brand_of_person(session, colleague) is None
    assert brand is not None
    assert (brand.name, brand.sign_in) == (NAME, f"/sign-in?agency={acme.agency.slug}")


def test_a_colour_is_made_readable_on_light_and_dark(site: Http) -> None:
    for colour in ("#ffe066", "#2457c5", "#000000", "#ffffff"):
        for paper in ("#fbfaf8", "#141413"):
            assert contrast(readable(colour, paper), paper) >= 4.5
    assert readable("#0b6e4f", "#fbfaf8") == "#0b6e4f"
    answer = site.get("/brand/ffe066.css")
    assert answer.headers["content-type"].startswith("text/css")
    assert ".top { border-top: 3px solid #ffe066; }" in answer.text
    assert site.get("/brand/url(x).css").status_code == 404

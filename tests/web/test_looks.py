"""Every page, light, dark and on a phone: nothing that axe-core finds, nothing refused, nothing beside the screen."""

import re
from collections.abc import Iterator

import pytest
from litestar.routes import HTTPRoute
from playwright.sync_api import Browser, expect
from sqlmodel import select

from tests.support.browser import Visitor, visitor
from tests.support.committed import Committed
from tests.support.factories import owner_of
from tests.support.looks import check_page
from tests.support.showcase import Showcase
from tests.support.site import PASSWORD
from tuneloop.clients.service import find_client
from tuneloop.datasets.waiting import keep_upload
from tuneloop.erasure.service import request_erasure
from tuneloop.retraining.answer_links import new_answer_link
from tuneloop.review.correction_links import create_link
from tuneloop.tables import Approval, ErasureKind, Example, Role, SlackInstallation, User
from tuneloop.web.console.router import console_router
from tuneloop_bot.identities import new_identity_link
from tuneloop_reports.service import prepare

PAGES = (
    "/",
    "/clients/northwind",
    "/models/northwind/support",
    "/models/corner/questions",
    "/models/northwind/support/review",
    "/models/northwind/support/data",
    "/models/northwind/support/data/import",
    "/models/northwind/support/answers/import",
    "/models/northwind/support/migration",
    "/models/northwind/support/versions",
    "/models/northwind/support/cycles",
    "/alerts/{alert_id}",
    "/cycles/{promotion_id}",
    "/cycles/{retrain_id}",
    "/cycles/{training_id}",
    "/cycles/{turned_down_id}",
    "/cycles/{again_id}",
    "/cycles/{promotion_id}/compare",
    "/new-client",
    "/clients/northwind/new-model",
    "/clients/northwind/billing",
    "/models/northwind/support/connect",
    "/models/corner/questions/connect",
    "/slack",
    "/plans",
    "/economics",
    "/billing",
    "/billing/thanks",
    "/reports",
    "/reports/style",
    "/reports/sender",
    "/members",
    "/members/provider",
    "/keys",
    "/account",
    "/account/second-factor",
    "/audit",
    "/privacy",
    "/jobs",
    "/schedules",
    "/bases",
)
PUBLIC = ("/sign-in", "/sign-in/provider", "/password/forgotten", "/setup", "/mail/unsubscribe/none")
ELSEWHERE = {
    "/invitation": "tests/web/test_joining.py",
    "/password": "tests/web/test_joining.py",
    "/reports/{client}/{month}/view": "tests/reports/test_pages.py",
    "/assets/{name}": "a file",
    "/brand/{colour}": "a style sheet",
    "/reports/style/logo": "a file",
    "/sign-in/provider/{slug}": "leads to the provider",
    "/sign-in/provider/back": "leads back from it",
}


@pytest.fixture(scope="module")
def behind_links(studio: Committed, shown: Showcase, emails: dict[Role, str]) -> list[str]:
    """Pages that somebody is led to: by a link, or by what they have just done."""
    owner, northwind = owner_of(studio.agency), shown.northwind
    with studio.database.unit(studio.agency.id) as session:
        data = "/models/northwind/support/data"
        link = create_link(session, principal=owner, model=northwind)
        upload = keep_upload(
            session, principal=owner, model=northwind, name="a.csv", content=b"text,label\nWhere?,order\n"
        )
        example = session.exec(select(Example.id).where(Example.model_id == northwind.id)).first()
        erasure = request_erasure(session, principal=owner, kind=ErasureKind.TEXT, target="Ann Smith", reason="asked")
        approval = session.exec(select(Approval).where(Approval.cycle_id == shown.promotion_id)).one()
        person = session.exec(select(User).where(User.email == emails[Role.OWNER])).one()
        answer = new_answer_link(session, approval, person.id)
        workspace = SlackInstallation(
            agency_id=studio.agency.id,
            team_id="T1",
            team_name="Studio",
            app_id="A1",
            bot_user_id="U0",
            bot_token="sealed",
            scopes="chat:write",
            installer="U1",
        )
        session.add(workspace)
        session.flush()
        identity = new_identity_link(session, workspace, "U2", name="Otto")
        prepare(session, client=find_client(session, "northwind"), month="2026-10")
    return [
        f"/fix/{link.token}",
        f"{data}/import/{upload.id}",
        f"{data}/examples/{example}",
        f"/privacy/erasures/{erasure.id}",
        f"/answer?token={answer}",
        f"/slack/link?token={identity}",
        "/slack",
        "/reports/northwind/2026-10",
    ]


@pytest.fixture(scope="module")
def person(browser: Browser, address: str, emails: dict[Role, str]) -> Iterator[Visitor]:
    with visitor(browser, address) as opened:
        opened.sign_in(emails[Role.OWNER], PASSWORD)
        yield opened


def test_every_page_is_fit_for_everybody(person: Visitor, shown: Showcase, behind_links: list[str]) -> None:
    wrong = []
    for path in (*(path.format(**shown._asdict()) for path in PAGES), *behind_links):
        try:
            check_page(person, path)
        except AssertionError as error:
            wrong.append(str(error))
    assert not wrong, "\n".join(wrong)
    reached = [path.partition("?")[0] for path in (*PAGES, *PUBLIC, *behind_links)]
    for route in console_router().routes:
        if isinstance(route, HTTPRoute) and "GET" in route.methods and route.path_format not in ELSEWHERE:
            pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(route.path_format))
            assert any(re.fullmatch(pattern, path) for path in reached), f"nobody looks at {route.path_format}"


def test_pages_for_everybody_are_fit_for_everybody(browser: Browser, address: str) -> None:
    with visitor(browser, address) as stranger:
        for path in PUBLIC:
            check_page(stranger, path)
        stranger.problems = [each for each in stranger.problems if "404" not in each]


def test_charts_are_drawn_under_the_policy_and_follow_the_theme(person: Visitor) -> None:
    page = person.page
    page.goto("/models/northwind/support")
    chart = page.get_by_role("img", name="Accuracy on labelled answers by period")
    chart.scroll_into_view_if_needed()
    expect(chart.locator("svg")).to_be_visible()
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Switch between light and dark").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    expect(chart.locator("svg")).to_be_visible()
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    page.get_by_role("button", name="Switch between light and dark").click()
    chart.scroll_into_view_if_needed()
    chart.locator('[aria-roledescription="point"]').first.hover()
    expect(page.locator("#vg-tooltip-element")).to_contain_text("n=60")

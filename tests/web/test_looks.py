"""Every page in light, dark and on a phone: no errors, nothing refused by the policy, nothing beside the screen."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import Visitor, visitor
from tests.support.showcase import Showcase
from tests.support.site import PASSWORD
from tuneloop.tables import Role

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}},
}
PAGES = (
    "/",
    "/clients/northwind",
    "/models/northwind/support",
    "/models/corner/questions",
    "/models/northwind/support/data/import",
    "/models/northwind/support/answers/import",
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
    "/models/northwind/support/connect",
    "/models/corner/questions/connect",
    "/slack",
    "/billing",
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


NAMELESS = """[...document.querySelectorAll("button, a, input:not([type=hidden]), select, textarea")]
    .filter(e => !(e.labels?.length || e.ariaLabel || e.textContent.trim() || e.title)).map(e => e.outerHTML)"""
UNCAPTIONED = "[...document.querySelectorAll('table')].filter(table => !table.caption).length"


@pytest.fixture(scope="module", params=LOOKS)
def person(
    browser: Browser, address: str, emails: dict[Role, str], request: pytest.FixtureRequest
) -> Iterator[Visitor]:
    with visitor(browser, address, **LOOKS[request.param]) as opened:
        opened.sign_in(emails[Role.OWNER], PASSWORD)
        yield opened


def test_every_page_has_one_heading_names_its_controls_and_fits(person: Visitor, shown: Showcase) -> None:
    page = person.page
    for path in PAGES:
        page.goto(path.format(**shown._asdict()))
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
        expect(page.get_by_role("main")).to_be_visible()
        assert person.overflow() == 0, path
        assert page.evaluate(NAMELESS) == [], path
        assert page.evaluate(UNCAPTIONED) == 0, path


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


def test_a_point_tells_its_interval_and_n(browser: Browser, address: str, emails: dict[Role, str]) -> None:
    with visitor(browser, address) as person:
        page = person.sign_in(emails[Role.OWNER], PASSWORD)
        page.goto("/models/northwind/support")
        page.get_by_role("img", name="Accuracy on labelled").locator('[aria-roledescription="point"]').first.hover()
        expect(page.locator("#vg-tooltip-element")).to_contain_text("n=60")

"""A plan that has just failed, proposed again on the pages: why, another way out, and a second click to insist."""

from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import Visitor, visitor
from tests.support.committed import Committed
from tests.support.cycles import make_workshop
from tests.support.factories import owner_of
from tests.support.failed_plan import WHY, fail_plan, give_data, make_failed_plan, seeds
from tests.support.site import PASSWORD, make_person
from tuneloop.kit.ids import new_id
from tuneloop.retraining.recipe import Recipe
from tuneloop.retraining.service import propose
from tuneloop.tables import RegisteredModel, RetrainingCycle, Role


@pytest.fixture
def slug() -> str:
    return f"c{new_id().hex[-8:]}"


@pytest.fixture
def failed(home: Committed, slug: str) -> RetrainingCycle:
    return make_failed_plan(home.database, home.agency, slug)


def propose_again(person: Visitor, failed: RetrainingCycle) -> None:
    page = person.page
    page.get_by_role("button", name="Propose a retrain").click()
    expect(page.get_by_role("heading", name="This plan has failed before")).to_be_visible()
    said = page.get_by_role("alert")
    expect(said).to_contain_text(f"The same data and recipe were tried on {failed.created_at:%-d %B %Y}")
    expect(said).to_contain_text(f"The retrain failed: {WHY}. Change the data or the recipe")
    assert person.overflow() == 0
    (refused,) = person.problems
    assert "409 (Conflict)" in refused
    person.problems.clear()


def made(home: Committed, failed: RetrainingCycle) -> list[int]:
    with home.database.unit(home.agency.id) as session:
        return seeds(session, session.get_one(RegisteredModel, failed.model_id))


@pytest.mark.parametrize("look", [{}, {"viewport": {"width": 360, "height": 740}}], ids=["wide", "phone"])
def test_the_model_s_page_says_why_leads_to_the_diagnosis_and_a_second_click_insists(
    browser: Browser, address: str, home: Committed, slug: str, failed: RetrainingCycle, look: dict[str, Any]
) -> None:
    with visitor(browser, address, **look) as person:
        page = person.sign_in(make_person(home, Role.OPERATOR), PASSWORD)
        page.goto(f"/models/{slug}/support")
        propose_again(person, failed)
        page.get_by_role("link", name="Why it failed, and what could be done next").click()
        expect(page).to_have_url(f"{address}/cycles/{failed.id}")
        expect(page.get_by_text(WHY).first).to_be_visible()
        expect(page.get_by_role("listitem").filter(has_text="Train again")).to_contain_text("compute not measured")
        page.goto(f"/models/{slug}/support")
        propose_again(person, failed)
        page.get_by_role("link", name="Leave it").click()
        assert made(home, failed) == [0], "nothing was proposed"
        propose_again(person, failed)
        page.get_by_role("button", name="Propose it all the same").click()
        expect(page.get_by_role("heading", name="Approve this retrain?")).to_be_visible()
        assert made(home, failed) == [1, 0]


def test_so_does_the_alert_s_page(browser: Browser, address: str, home: Committed, slug: str) -> None:
    workshop = make_workshop(home.database, home.agency, ["order"], base=f"base-{slug}", client_slug=slug)
    with home.database.unit(home.agency.id) as session:
        model = session.get_one(RegisteredModel, workshop.model.id)
        give_data(session, home.agency, model)
        alert_id, owner = workshop.alert(session), owner_of(home.agency)
        first = propose(session, principal=owner, model=model, recipe=Recipe(), alert_id=alert_id)
        fail_plan(session, home.agency, first)
    with visitor(browser, address) as person:
        page = person.sign_in(make_person(home, Role.OPERATOR), PASSWORD)
        page.goto(f"/alerts/{alert_id}")
        propose_again(person, first)
        page.get_by_role("button", name="Propose it all the same").click()
        expect(page.get_by_role("link", name="because of an alert")).to_have_attribute("href", f"/alerts/{alert_id}")
        assert made(home, first) == [1, 0]

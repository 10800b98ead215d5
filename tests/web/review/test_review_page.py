"""Labelling by keyboard: fast, blind, and taken back with one key."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlmodel import col, select

from tests.predictions.conftest import Log
from tests.support.browser import Visitor, visitor
from tests.support.committed import Committed
from tests.support.site import PASSWORD, make_person
from tuneloop.kit.ids import new_id
from tuneloop.kit.principal import Principal
from tuneloop.registry.contract import Contract, Task
from tuneloop.review.queue import add_sample, submit_label
from tuneloop.tables import ActorKind, Client, RegisteredModel, ReviewItem, ReviewLabel, ReviewState, Role

THINGS = ("card", "order", "parcel", "refund", "pin", "address", "transfer", "fee", "limit", "phone")


@pytest.fixture(scope="module")
def operator(home: Committed) -> str:
    return make_person(home, Role.OPERATOR)


def address_of(home: Committed, log: Log) -> str:
    with home.database.unit(home.agency.id) as session:
        return f"/models/{session.get_one(Client, log.model.client_id).slug}/support/review"


@pytest.fixture
def ann(browser: Browser, address: str, operator: str) -> Iterator[Visitor]:
    with visitor(browser, address, viewport={"width": 1200, "height": 900}) as opened:
        opened.sign_in(operator, PASSWORD)
        expect(opened.page.get_by_role("heading", name="Portfolio")).to_be_visible()
        yield opened


def waiting(page: Page) -> int:
    return int(page.locator(".pace b").nth(1).inner_text())


def press(page: Page, key: str) -> None:
    """The next card is there when the question is another one."""
    page.wait_for_selector("#card[data-ready]")
    before = page.locator("#answer").get_attribute("action")
    page.keyboard.press(key)
    page.wait_for_function(
        "action => document.querySelector('#card[data-ready]')"
        " && document.querySelector('#answer')?.getAttribute('action') !== action",
        arg=before,
    )


def test_ten_answers_are_labelled_by_keyboard(home: Committed, log: Log, ann: Visitor, shots: Path) -> None:
    page = ann.page
    page.goto(address_of(home, log))
    expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    page.get_by_role("button", name="Put up to").click()
    expect(page.get_by_role("status").first).to_contain_text("12 answers are in the queue, 12 of them a random sample")
    assert waiting(page) == 12
    assert page.locator("#labels button").all_inner_texts() == ["1\norder", "2\nrefund", "3\nrepair"]
    assert "order" not in page.locator(".talk").inner_text().replace("for order", "")  # the model's answer is hidden
    keys = {"parcel": "1", "money": "2", "zip": "3"}
    said = []
    for _ in range(10):
        question = page.locator(".turn.user p").inner_text()
        assert "<b>" in question  # shown as it was written
        key = next(key for word, key in keys.items() if word in question)
        said.append((question, {"1": "order", "2": "refund", "3": "repair"}[key]))
        press(page, key)
    assert waiting(page) == 2
    assert not page.locator("main > .note").count() or "12 answers" in page.locator("main > .note").inner_text()
    page.screenshot(path=shots / "review.png", full_page=True)
    with home.database.unit(home.agency.id) as session:
        labels = session.exec(
            select(ReviewLabel, ReviewItem)
            .join(ReviewItem, col(ReviewItem.id) == ReviewLabel.item_id)
            .where(ReviewItem.model_id == log.model.id)
            .order_by(col(ReviewLabel.at))
        ).all()
        assert [(item.messages[0]["content"], label.expected) for label, item in labels] == said
        assert all(label.blind and label.seconds is not None and 0 <= label.seconds < 60 for label, _ in labels)
        assert {item.state for _, item in labels} == {ReviewState.DONE}


def test_undo_skip_and_not_sure_have_keys(home: Committed, log: Log, ann: Visitor) -> None:
    with home.database.unit(home.agency.id) as session:
        add_sample(session, log.model, 3)
    page = ann.page
    page.goto(address_of(home, log))
    first = page.locator(".turn.user p").inner_text()
    press(page, "2")
    press(page, "u")
    assert page.locator(".turn.user p").inner_text() == first
    assert waiting(page) == 3
    page.keyboard.press("o")
    expect(page.get_by_label("Not sure")).to_be_checked()
    press(page, "1")
    expect(page.locator("#card").get_by_text("Somebody else is asked too.")).to_be_visible()
    press(page, "s")
    expect(page.locator("#card").get_by_text("Skipped.")).to_be_visible()
    press(page, "3")
    expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    with home.database.unit(home.agency.id) as session:
        states = session.exec(select(ReviewItem.state).where(ReviewItem.model_id == log.model.id)).all()
        assert sorted(states) == [ReviewState.DONE, ReviewState.OPEN, ReviewState.SKIPPED]


def test_two_people_on_one_answer_and_a_phone(
    home: Committed, log: Log, browser: Browser, address: str, operator: str, shots: Path
) -> None:
    with home.database.unit(home.agency.id) as session:
        (item,) = add_sample(session, log.model, 1)
    with visitor(
        browser, address, viewport={"width": 390, "height": 800}, has_touch=True, color_scheme="dark"
    ) as phone:
        page = phone.sign_in(operator, PASSWORD)
        expect(page.get_by_role("heading", name="Portfolio")).to_be_visible()
        page.goto(address_of(home, log))
        assert phone.overflow() == 0
        page.screenshot(path=shots / "review-phone.png", full_page=True)
        bob = Principal(home.agency.id, Role.OPERATOR, ActorKind.USER, new_id(), "Bob", "test")
        with home.database.unit(home.agency.id) as session:
            submit_label(session, principal=bob, item_id=item.id, expected="refund")
        page.locator("#labels button").nth(0).tap()
        expect(page.get_by_role("alert")).to_contain_text("done already")
        phone.problems.clear()  # the refused request
        page.get_by_role("link", name="Take the next one").click()
        expect(page.get_by_text("Nothing waits for you")).to_be_visible()


def test_without_scripts_the_forms_still_work(
    home: Committed, log: Log, browser: Browser, address: str, operator: str
) -> None:
    with home.database.unit(home.agency.id) as session:
        add_sample(session, log.model, 1)
    with visitor(browser, address, java_script_enabled=False) as plain:
        page = plain.sign_in(operator, PASSWORD)
        page.goto(address_of(home, log))
        page.get_by_role("button", name="refund").click()
        expect(page.get_by_role("status").first).to_contain_text("Labelled “refund”.")


def test_many_labels_are_filtered_by_typing(home: Committed, log: Log, ann: Visitor, shots: Path) -> None:
    labels = tuple(f"{verb}_{thing}" for verb in ("cancel", "change", "lost", "track") for thing in THINGS)
    set_contract(home, log, Contract(task=Task.CLASSIFY, system_prompt="Sort.", labels=labels))
    with home.database.unit(home.agency.id) as session:
        add_sample(session, session.get_one(RegisteredModel, log.model.id), 1)
    page = ann.page
    page.goto(address_of(home, log))
    page.wait_for_selector("#card[data-ready]")
    expect(page.get_by_label("Label, by its first letters")).to_be_focused()
    page.keyboard.type("lost ca")
    expect(page.locator("#labels button:visible")).to_have_text(["lost_card"])
    page.screenshot(path=shots / "review-filter.png", full_page=True)
    page.keyboard.press("Enter")
    expect(page.locator("#card").get_by_text("Labelled “lost_card”.")).to_be_visible()


def test_free_text_is_edited_and_saved_by_keyboard(home: Committed, log: Log, ann: Visitor, shots: Path) -> None:
    set_contract(home, log, Contract(task=Task.GENERATE, system_prompt="Reply."))
    with home.database.unit(home.agency.id) as session:
        (item,) = add_sample(session, session.get_one(RegisteredModel, log.model.id), 1)
    page = ann.page
    page.goto(address_of(home, log))
    page.wait_for_selector("#card[data-ready]")
    page.keyboard.press("1")
    expect(page.get_by_role("textbox", name="The right answer")).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.type(" number <7>, u s o")
    page.screenshot(path=shots / "review-text.png", full_page=True)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#card").get_by_text("Nothing waits for you")).to_be_visible()
    with home.database.unit(home.agency.id) as session:
        (label,) = session.exec(select(ReviewLabel).where(ReviewLabel.item_id == item.id)).all()
        assert (label.expected, label.blind) == ("order number <7>, u s o", False)


def set_contract(home: Committed, log: Log, contract: Contract) -> None:
    with home.database.unit(home.agency.id) as session:
        session.get_one(RegisteredModel, log.model.id).contract = contract.model_dump(mode="json")

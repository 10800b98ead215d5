"""The emulator's page in a real browser: it draws what the app sends, and its buttons really click."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.bot.gallery import TABLE
from tests.bot.office import Office
from tests.bot.test_messages import alert_world
from tests.gateway.waiting import eventually
from tests.support.browser import visitor
from tests.support.cycles import Workshop
from tests.support.factories import make_base
from tests.support.looks import check_looks
from tests.support.showcase import show_ab_test
from tuneloop.kit.db import Database
from tuneloop.registry.service import point
from tuneloop.stats.outcome import Outcome
from tuneloop.tables import Alias, CycleState, RetrainingCycle
from tuneloop_bot.message_sync import refresh

PICTURES = os.environ.get("TUNELOOP_PICTURES", "")
NASTY = "<img src=x onerror=alert(1)> *bold* <!channel>"


def _keep(page: Page, name: str) -> None:
    if PICTURES:
        page.locator("#messages").evaluate("node => node.scrollTop = node.scrollHeight")
        page.screenshot(path=Path(PICTURES) / f"{name}.png")


def _enter(page: Page, who: str) -> None:
    page.goto("/")
    page.get_by_label("You are").select_option(label=who)
    page.get_by_role("button", name="# general").click()


@contextmanager
def _heard(north: Office) -> Iterator[None]:
    """A click, until the app has kept what it sent: page, emulator and app work in threads of their own."""
    delivery = north.emulator.delivery
    before = len(delivery.sent)
    yield
    eventually(lambda: before < delivery.answered == len(delivery.sent))


def test_an_operator_approves_by_the_page_s_button_and_rejects_by_its_modal(
    north: Office, workshop: Workshop, browser: Browser
) -> None:
    with north.database.unit(north.agency.id) as session:
        first = workshop.asked(session)
    north.tick()
    with visitor(browser, north.emulator.url, viewport={"width": 1100, "height": 900}) as person:
        page = person.page
        _enter(page, "Otto")
        expect(page.get_by_role("heading", name="Retrain acme/support?")).to_be_visible()
        _keep(page, "retrain")
        check_looks(person)
        page.get_by_role("button", name="Reject").click()
        expect(page.get_by_role("heading", name="Reject")).to_be_visible()
        page.get_by_label("Why?").fill(NASTY)
        _keep(page, "reject-modal")
        check_looks(person)
        with _heard(north):
            page.get_by_role("dialog").get_by_role("button", name="Reject").click()
            expect(page.get_by_role("dialog")).to_be_hidden()
        north.work()
        expect(page.get_by_text("Rejected. The cycle has ended.")).to_be_visible()
        expect(page.get_by_text(NASTY)).to_be_visible()
        assert page.locator("#messages img[src='x']").count() == 0
        _keep(page, "rejected")
    with north.database.unit(north.agency.id) as session:
        assert session.get_one(RetrainingCycle, first).state is CycleState.REJECTED


def test_the_candidate_reads_well_on_a_phone_and_asks_before_it_promotes(
    north: Office, workshop: Workshop, browser: Browser
) -> None:
    with north.database.unit(north.agency.id) as session:
        reasons = ["It gains 12 points on order.", f"Strong categories are kept; {NASTY}"]
        cycle_id = workshop.judged(session, Outcome.PROMOTE, table=TABLE, reasons=reasons)
    north.tick()
    with visitor(browser, north.emulator.url, viewport={"width": 390, "height": 844}) as person:
        page = person.page
        _enter(page, "Olga")
        expect(page.get_by_role("heading", name="Candidate acme/support@v1.1")).to_be_visible()
        assert person.overflow() == 0
        _keep(page, "candidate-phone")
        page.set_viewport_size({"width": 1100, "height": 1000})
        _keep(page, "candidate")
        page.get_by_role("button", name="Promote").click()
        expect(page.get_by_text("will answer every request")).to_be_visible()
        _keep(page, "confirm")
        with _heard(north):
            page.get_by_role("dialog").get_by_role("button", name="Promote").click()
            expect(page.get_by_role("button", name="Promote")).to_be_visible()
            page.wait_for_function("() => !document.querySelector('dialog[open]')")
        north.work()
        expect(page.get_by_text("Approved. The candidate goes into production.")).to_be_visible()
        with north.database.unit(north.agency.id) as session:
            cycle = session.get_one(RetrainingCycle, cycle_id)
            point(session, workshop.model, Alias.PREVIOUS, cycle.parent_version_id)
            point(session, workshop.model, Alias.PRODUCTION, cycle.candidate_version_id)
            cycle.state = CycleState.DEPLOYED
        north.tick()
        expect(page.get_by_role("button", name="Roll back to v1.0")).to_be_visible()
        _keep(page, "deployed")


def test_an_ab_test_is_read_and_stopped_on_a_phone(north: Office, workshop: Workshop, browser: Browser) -> None:
    with north.database.unit(north.agency.id) as session:
        show_ab_test(session, north.agency, workshop.judged(session, Outcome.PROMOTE, table=TABLE))
    north.tick()
    with visitor(browser, north.emulator.url, viewport={"width": 390, "height": 1400}) as person:
        page = person.page
        _enter(page, "Olga")
        expect(page.get_by_role("heading", name="A/B test of acme/support@v1.1")).to_be_visible()
        expect(page.get_by_text("40 labels an arm can prove a fall of about")).to_be_visible()
        assert person.overflow() == 0
        _keep(page, "ab-test-phone")
        check_looks(person)
        page.get_by_role("button", name="Stop A/B").click()
        expect(page.get_by_text("Production answers everybody again")).to_be_visible()
        with _heard(north):
            page.get_by_role("dialog").get_by_role("button", name="Stop").click()
        north.work()
        expect(page.get_by_text("Stopped; all traffic is production's")).to_be_visible()
        page.set_viewport_size({"width": 1100, "height": 1200})
        _keep(page, "ab-test-stopped")


def test_an_alert_shows_its_picture(north: Office, database: Database, browser: Browser) -> None:
    alert_world(north, database, make_base(database))
    north.say("Otto", "help")
    north.say("Otto", "who-can")
    with north.database.unit(north.agency.id) as session:
        refresh(session, north.settings)
    with visitor(browser, north.emulator.url, viewport={"width": 1100, "height": 1250}) as person:
        page = person.page
        _enter(page, "Otto")
        image = page.get_by_role("img", name="acme/support: accuracy by reading")
        expect(image).to_be_visible()
        assert image.evaluate("node => node.naturalWidth") > 300
        _keep(page, "alert")
        north.say("Otto", "label acme")
        north.say("Otto", "status")
        expect(page.get_by_role("heading", name="How your models are")).to_be_visible()
        _keep(page, "commands")
        with _heard(north):
            page.get_by_role("button", name="Tuneloop · Home").click()
        north.work()
        expect(page.get_by_role("heading", name="What waits for you")).to_be_visible()
        _keep(page, "home")
        check_looks(person)

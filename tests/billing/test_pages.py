"""Plans, billing, economics and the emulator's pages in a browser, with real clicks."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect
from pydantic import SecretStr
from sqlalchemy import Engine
from sqlmodel import select

from tests.billing.emulator import Running, Shop, client_of
from tests.billing.office import Office
from tests.reports.january import January, make_january
from tests.support.browser import Visitor, visitor
from tests.support.committed import Committed, committed_agency
from tests.support.looks import check_looks, check_page
from tests.support.ports import free_port
from tests.support.site import PASSWORD, make_person, served
from tuneloop.clients.offers import offer
from tuneloop.kit.ids import new_id
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.tables import Activity, BillingAccount, Feature, Role, ServiceUse, SubscriptionState, UseState, WorkEntry
from tuneloop_local.engines import EngineUrls

CLIENT = "/clients/acme/billing"
GOOD, DECLINED = "4242424242424242", "4000000000000002"


@dataclass(frozen=True)
class Site:
    home: Committed
    january: January
    settings: Settings
    address: str
    email: str
    emulator: Running

    def office(self) -> Office:
        """The agency's account at the emulator, as the pages have connected it."""
        with self.home.database.unit(self.home.agency.id) as session:
            account_id = session.exec(select(BillingAccount.stripe_account)).one()
        account = self.emulator.world.accounts[account_id or ""]
        shop = Shop(self.emulator, account, client_of(self.emulator, account.key))
        folder = self.settings.data_dir
        storage = Storage((folder / "objects").as_uri(), cache=folder / "cache")
        return Office(self.home.database, self.home.agency, self.settings, storage, httpx.Client(), shop)


@pytest.fixture(scope="module")
def site(
    engine: Engine, urls: EngineUrls, emulator: Running, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("site")
    settings = Settings(
        data_dir=folder,
        web_port=free_port(),
        secret_key=SecretStr("a test's"),
        stripe_emulator_port=int(emulator.url.rpartition(":")[2]),
        stripe_platform_url=emulator.url,
        stripe_platform_key=SecretStr("sk_test_emulator_platform"),
    )
    with committed_agency(engine, urls) as home:
        january = make_january(home.database, home.agency, base=f"base-{new_id()}")
        email = make_person(home, Role.OWNER)
        with served(home, folder, settings) as address:
            yield Site(home, january, settings, address, email, emulator)


@pytest.fixture
def owner(browser: Browser, site: Site) -> Iterator[Visitor]:
    with visitor(browser, site.address, viewport={"width": 390, "height": 844}) as person:
        expect(person.sign_in(site.email, PASSWORD).get_by_role("heading", name="Portfolio")).to_be_visible()
        yield person


def said(page: Page) -> str:
    return page.get_by_role("status").first.inner_text()


def test_from_a_plan_to_a_paid_invoice_and_an_end_on_a_phone(owner: Visitor, site: Site) -> None:
    page = owner.page
    page.goto("/plans")
    page.get_by_label("Template").select_option("standard")
    page.get_by_label("Short name").fill("gold")
    page.get_by_label("Name on invoices").last.fill("Gold <b>care</b>")
    page.get_by_role("button", name="Add plan").click()
    expect(page.get_by_role("status").first).to_contain_text("Gold <b>care</b> is on sale at 2,000.00 USD per month")
    page.get_by_text("Change Gold <b>care</b>").click()
    page.get_by_label("Price per month, USD").first.fill("much")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("much")
    page.get_by_text("Change Gold <b>care</b>").click()
    page.get_by_label("Price per month, USD").first.fill("1800")
    page.get_by_label("Retrains per month").fill("2")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("1,800.00 USD").first).to_be_visible()

    page.goto("/billing")
    page.get_by_role("button", name="Try it with the emulator").click()
    expect(page.get_by_role("status").first).to_contain_text("no money moves")
    page.get_by_label("Months end at midnight in").fill("Mars/Base")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Mars/Base")
    page.goto("/billing")
    page.get_by_label("Months end at midnight in").fill("Europe/Berlin")
    page.get_by_role("button", name="Save").click()
    office = site.office()
    office.settle()

    page.goto(CLIENT)
    page.get_by_role("button", name="Subscribe").click()
    expect(page.get_by_role("status").first).to_contain_text("gold holds now")
    office.settle()
    page.get_by_role("button", name="Link to leave a card").click()
    link = re.findall(r"http\S+", said(page))[0]
    page.goto(link)
    check_looks(owner)
    page.get_by_label("Test card").select_option(DECLINED)
    page.get_by_role("button", name="Save card").click()
    expect(page.get_by_role("alert")).to_be_visible()
    owner.problems = [each for each in owner.problems if "402" not in each]
    page.get_by_label("Test card").select_option(GOOD)
    page.get_by_role("button", name="Save card").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    for path in ("/", f"/accounts/{urlsplit(link).path.split('/')[2]}"):
        page.goto(f"{site.emulator.url}{path}")
        check_looks(owner)
    office.settle()

    page.goto(CLIENT)
    expect(page.get_by_role("table", name="Invoices").get_by_text("Paid")).to_be_visible()
    page.get_by_label("Order", exact=True).select_option("labels")
    page.get_by_label("How many").fill("5")
    page.get_by_label("For the invoice").fill("<script>alert(1)</script>")
    page.get_by_role("button", name="Order", exact=True).click()
    expect(page.get_by_text("This orders 5 extra labels")).to_contain_text("in the plan are left, and used first) for")
    assert owner.overflow() == 0
    page.get_by_role("button", name="Yes, do it").click()
    expect(page.get_by_text("<script>alert(1)</script>").first).to_be_visible()
    with site.home.database.unit(site.home.agency.id) as session:
        offer(session, client_id=site.january.workshop.client.id, feature=Feature.RETRAIN, reason="a fall")
    page.goto("/billing")
    page.get_by_role("link", name="retrain for").click()
    page.get_by_role("table", name="Extras").get_by_role("button", name="Order").click()
    page.get_by_role("button", name="Yes, do it").click()
    expect(page.get_by_role("status").first).to_contain_text("Ordered.")
    with site.home.database.unit(site.home.agency.id) as session:
        uses = session.exec(select(ServiceUse)).all()
    assert {(use.feature, use.state, use.quantity) for use in uses} == {
        (Feature.LABELS, UseState.ACCEPTED, 5),
        (Feature.RETRAIN, UseState.ACCEPTED, 1),
    }

    page.get_by_role("button", name="Link to the client's portal").click()
    page.goto(re.findall(r"http\S+", said(page))[0])
    expect(page.get_by_text("Visa ending in 4242, used for payments")).to_be_visible()
    page.get_by_role("button", name="Cancel at the end of the period").click()
    expect(page.get_by_role("button", name="Keep the plan")).to_be_visible()
    check_looks(owner)
    office.settle()
    page.goto(CLIENT)
    expect(page.get_by_text("ends with the period")).to_be_visible()
    assert office.subscription().state is SubscriptionState.ACTIVE
    page.goto("/economics")
    expect(page.get_by_role("row", name="Acme")).to_contain_text("1,800.00 USD")
    for path in ("/plans", "/billing", CLIENT, "/economics", "/billing/thanks"):
        check_page(owner, path)


def test_pages_count_the_time_they_are_worked_on(owner: Visitor, site: Site) -> None:
    """A beat at the first use, one each half minute while it is used, and none while nobody is there."""
    page = owner.page
    beats: list[str] = []

    def note(route: Route) -> None:
        beats.append((route.request.post_data_json or {})["activity"])
        route.continue_()

    page.route("**/work/beat", note)
    page.clock.install()
    page.goto("/models/acme/support/versions")
    page.clock.run_for(120_000)
    assert beats == [], "nobody has touched the page"
    with page.expect_response("**/work/beat") as first:
        page.mouse.move(100, 300)
    assert first.value.status == 200
    with site.home.database.unit(site.home.agency.id) as session:
        entry = session.exec(select(WorkEntry).where(WorkEntry.activity == Activity.DEPLOY)).one()
        assert entry.last_beat is not None
        entry.last_beat -= timedelta(seconds=80)
    page.mouse.move(120, 320)
    with page.expect_response("**/work/beat"):
        page.clock.run_for(31_000)
    page.clock.run_for(600_000)
    assert beats == ["deploy", "deploy"], "a minute after the last touch the page falls silent"

    page.goto(CLIENT)
    row = page.get_by_role("table", name="Time entries").get_by_role("row", name="Deploy")
    expect(row.get_by_label("Minutes")).to_have_value("1")
    row.get_by_label("Minutes").fill("12")
    row.get_by_role("button", name="Correct").click()
    expect(page.get_by_text("Deploy 12 of 15 min")).to_be_visible()
    page.get_by_label("Work", exact=True).select_option("collect")
    page.get_by_label("Minutes", exact=True).last.fill("20")
    page.get_by_role("button", name="Write down").click()
    expect(page.get_by_text("Collect 20 of 30 min")).to_be_visible()
    page.get_by_role("row", name="Deploy").get_by_role("button", name="Take out").click()
    expect(page.get_by_text("Deploy 0 of 15 min")).to_be_visible()

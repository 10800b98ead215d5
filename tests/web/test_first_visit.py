"""An empty installation, in a browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, expect
from pydantic import SecretStr

from tests.gateway.server import serve
from tests.support.browser import visitor
from tests.support.empty import empty_database
from tests.support.looks import check_looks, check_page
from tests.support.ports import free_port
from tuneloop.founding.setup_codes import new_setup_code
from tuneloop.kit.db import Database
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.web.app import create_app
from tuneloop_local.engines import EngineUrls

PASSWORD = "three words and more"
AGENCY = "Nord & Süd Donaudampfschifffahrtsgesellschaftskünstlicheintelligenz"
MENU = [
    "Portfolio",
    "Reports",
    "Schedules",
    "Jobs",
    "Bases",
    "Audit",
    "Billing",
    "Members",
    "People's data",
    "API keys",
]
CLIENT = "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz & Partners of Birmingham, Alabama"


class Empty(NamedTuple):
    address: str
    database: Database
    settings: Settings


@pytest.fixture
def empty(urls: EngineUrls, tmp_path: Path) -> Iterator[Empty]:
    settings = Settings(data_dir=tmp_path, web_port=free_port(), secret_key=SecretStr("a key of the tests"))
    storage = Storage((tmp_path / "objects").as_uri(), cache=tmp_path / "cache")
    with empty_database(urls) as database:
        app = create_app(settings, database, storage, lifespan=())
        with serve(app, port=settings.web_port) as address:
            yield Empty(address, database, settings)


def test_the_first_visit_sets_up_agency_and_owner(browser: Browser, empty: Empty) -> None:
    with empty.database.all_agencies() as session:
        code = new_setup_code(session, empty.settings)
    with visitor(browser, empty.address, viewport={"width": 390, "height": 844}, timezone_id="Europe/Berlin") as olga:
        page = olga.page
        check_page(olga, "/")
        expect(page.get_by_role("heading", level=1)).to_have_text("Welcome to Tuneloop")
        page.get_by_label("Set-up code").fill(code)
        page.get_by_label("Name", exact=True).fill(AGENCY)
        page.get_by_label("Currency").select_option("eur")
        expect(page.get_by_label("Time zone")).to_have_value("Europe/Berlin")
        page.get_by_label("Your name").fill("Olga-Alexandra Featherstonehaugh-Cholmondeley")
        page.get_by_label("E-mail").fill("olga@north.example")
        page.get_by_label("Choose a password").fill(PASSWORD)
        page.get_by_label("Once more").fill(PASSWORD)
        page.get_by_role("button", name="Set up").click()
        expect(page.get_by_role("heading", name="Portfolio")).to_be_visible()
        expect(page.get_by_role("status").first).to_contain_text(f"{AGENCY} is set up")
        menu = page.get_by_role("navigation", name="Main").get_by_role("link")
        assert menu.all_inner_texts() == MENU
        for link in menu.all():
            expect(link).to_be_in_viewport(ratio=1)
        check_looks(olga)
        page.get_by_role("link", name="Add a client").click()
        page.get_by_label("Name, as reports say it").fill(CLIENT)
        page.get_by_role("button", name="Add the client").click()
        page.get_by_role("link", name="Add a base").click()
        page.get_by_role("button", name="Add qwen3-0.6b").click()
        if page.get_by_role("dialog", name="Sure?").is_visible():  # this machine is a small one
            page.get_by_role("button", name="Yes, do it").click()
        expect(page.get_by_role("region", name="On their way")).to_contain_text("waiting for a worker")
        expect(page.get_by_role("button", name="Add qwen3-0.6b")).to_have_count(0)
        check_looks(olga)
        page.goto("/")
        page.get_by_role("link", name=CLIENT).click()
        expect(page.get_by_role("heading", name=CLIENT)).to_be_visible()
        check_looks(olga)
        check_page(olga, "/setup")
        expect(page.get_by_text("Nobody can sign up here.")).to_be_visible()

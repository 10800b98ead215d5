"""An operator brings a model that is hosted elsewhere: one form, and it is in production."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from pydantic import SecretStr
from sqlalchemy import Engine

from tests.support.browser import visitor
from tests.support.committed import committed_agency
from tests.support.factories import SUPPORT, make_base, make_client, make_model
from tests.support.looks import check_page
from tests.support.openai_account import KEY, TUNED, tuned_account
from tests.support.ports import free_port
from tests.support.site import PASSWORD, make_person, served
from tuneloop.kit.ids import new_id
from tuneloop.kit.settings import Settings
from tuneloop.tables import Role
from tuneloop_local.emulators.openai.app import running
from tuneloop_local.engines import EngineUrls

VERSIONS = "/models/acme/support/versions"


@pytest.fixture
def service() -> Iterator[str]:
    with running(tuned_account(), free_port()) as url:
        yield url


def test_a_model_is_brought_by_one_form(
    browser: Browser, engine: Engine, urls: EngineUrls, service: str, tmp_path: Path
) -> None:
    settings = Settings(
        data_dir=tmp_path, web_port=free_port(), secret_key=SecretStr("a key"), reachable_networks="127.0.0.0/8"
    )
    with committed_agency(engine, urls) as home, served(home, tmp_path, settings) as address:
        client = make_client(home.database, home.agency, "acme")
        make_model(home.database, client, make_base(home.database, f"base-{new_id()}"), contract=SUPPORT)
        with visitor(browser, address, viewport={"width": 390, "height": 844}) as person:
            person.sign_in(make_person(home, Role.OPERATOR), PASSWORD)
            page = person.page
            check_page(person, VERSIONS)
            page.get_by_label("Address of the service").fill(service)
            page.get_by_label("The model's name there").fill(TUNED)
            page.get_by_label("Key to the service (left empty").fill("sk-wrong")
            page.get_by_role("button", name="Try it and bring it here").click()
            expect(page.get_by_text("127.0.0.1 refuses the key (401")).to_be_visible()
            page.goto(VERSIONS)
            page.get_by_label("Address of the service").fill(service)
            page.get_by_label("The model's name there").fill(TUNED)
            page.get_by_label("Key to the service (left empty").fill(KEY)
            page.get_by_label("Price of a million tokens of questions").fill("0.30")
            page.get_by_role("button", name="Try it and bring it here").click()
            expect(page.get_by_text("v1.0 is here")).to_be_visible()
            expect(page.get_by_text("answers until 14 Jan 2027")).to_be_visible()
            check_page(person, VERSIONS)
            page.get_by_text("Key, prices and last day of v1.0").click()
            page.get_by_label("Last day of the service (left empty").first.fill("2026-12-31")
            page.get_by_role("button", name="Save").click()
            expect(page.get_by_text("answers until 31 Dec 2026")).to_be_visible()
            page.goto("/models/acme/support")
            expect(page.get_by_text("ends on 31 December 2026")).to_be_visible()
            page.goto("/")
            expect(page.get_by_text("answers until 31 Dec 2026")).to_be_visible()

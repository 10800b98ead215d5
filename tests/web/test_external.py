"""An admin brings a model that is hosted elsewhere: one form, and it is in production. Then its answers are kept."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from pydantic import SecretStr
from sqlalchemy import Engine
from sqlmodel import select

from tests.support.browser import visitor
from tests.support.committed import Committed, committed_agency
from tests.support.factories import SUPPORT, make_base, make_client, make_model, owner_of
from tests.support.hosted import example_of
from tests.support.looks import check_looks, check_page
from tests.support.openai_account import BASE, KEY, TUNED, tuned_account
from tests.support.ports import free_port
from tests.support.runtime import silent_runtime
from tests.support.site import PASSWORD, make_person, served
from tuneloop.deployment.service import roll_back
from tuneloop.kit.ids import new_id
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.registry.service import find_version
from tuneloop.tables import Recording, Role
from tuneloop_local.emulators.openai.app import running
from tuneloop_local.engines import EngineUrls

VERSIONS = "/models/acme/support/versions"
MIGRATION = "/models/acme/support/migration"


def work(home: Committed, settings: Settings) -> None:
    """Do the recording's job, and no other that waits."""
    storage = Storage((settings.data_dir / "objects").as_uri(), cache=settings.data_dir / "cache")
    with home.database.unit(home.agency.id) as session:
        (recording,) = session.exec(select(Recording)).all()
    assert recording.job_id is not None
    runtime = silent_runtime(home.database, storage, settings)
    with ThreadPoolExecutor(1) as worker:  # the browser has an event loop in this thread, and the job wants its own
        worker.submit(runtime.run, recording.job_id).result()


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
        model = make_model(home.database, client, make_base(home.database, f"base-{new_id()}"), contract=SUPPORT)
        with visitor(browser, address, viewport={"width": 390, "height": 844}) as person:
            person.sign_in(make_person(home, Role.ADMIN), PASSWORD)
            page = person.page
            check_page(person, MIGRATION)
            page.get_by_role("link", name="Bring the hosted model here").click()
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
            page.get_by_label("Price of a million tokens of answers").fill("1.20")
            page.get_by_role("button", name="Try it and bring it here").click()
            expect(page.get_by_text("v1.0 is here")).to_be_visible()
            expect(page.get_by_text("answers until 14 Jan 2027")).to_be_visible()
            check_page(person, VERSIONS)
            page.get_by_text("Key, prices and last day of v1.0").click()
            page.get_by_label("Last day of the service (left empty").first.fill("2026-12-31")
            page.get_by_role("button", name="Save").click()
            expect(page.get_by_text("answers until 31 Dec 2026")).to_be_visible()
            page.get_by_text("Bring a model that is hosted elsewhere").click()
            page.get_by_label("Address of the service").fill(service)
            page.get_by_label("The model's name there").fill(BASE)
            page.get_by_label("Key to the service (left empty").fill(KEY)
            page.get_by_role("button", name="Try it and bring it here").click()
            page.get_by_text("Put v2.0 into production").click()
            check_looks(person)
            page.get_by_label("Why (it stays in the audit log)").fill("The tuned one ends.")
            page.get_by_role("button", name="Put it into production").click()
            page.get_by_role("button", name="Yes, do it").click()
            expect(page.get_by_text("v2.0 is in production. The one before")).to_be_visible()
            with home.database.unit(home.agency.id) as session:
                first = find_version(session, model, "v1.0")
                roll_back(session, principal=owner_of(home.agency), model=model, digest=first.digest)
            page.goto("/models/acme/support")
            expect(page.get_by_text("ends on 31 December 2026")).to_be_visible()
            with home.database.unit(home.agency.id) as session:
                session.add_all(example_of(model, f"Where is parcel {place}?", "order") for place in range(3))
            page.get_by_role("link", name="Migration").click()
            page.get_by_role("button", name="Record: 3 requests").click()
            expect(page.get_by_text("Recording", exact=True).nth(1)).to_be_visible()
            expect(page.get_by_text("3 of 3 questions wait")).to_be_visible()
            check_page(person, MIGRATION)
            work(home, settings)
            page.reload()
            expect(page.get_by_text("Complete")).to_be_visible()
            expect(page.get_by_text("3 golden items, 0 questions of traffic")).to_be_visible()
            check_page(person, MIGRATION)
            page.goto("/")
            expect(page.get_by_text("answers until 31 Dec 2026")).to_be_visible()

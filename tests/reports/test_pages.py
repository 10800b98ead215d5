"""Reports in a browser, with real clicks: from the draft to the letter in the local mailbox."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from uuid import UUID

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect
from pydantic import SecretStr
from sqlalchemy import Engine
from sqlmodel import col, select

from tests.gateway.server import serve
from tests.reports.january import make_january
from tests.support.browser import Visitor, visitor
from tests.support.committed import Committed, committed_agency
from tests.support.dns import dns_server
from tests.support.looks import check_looks, check_page
from tests.support.ports import free_port
from tests.support.site import PASSWORD, make_person, served
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import JobRow, JobState
from tuneloop.kit.jobs.runtime import Runtime
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.tables import Client, Report, ReportState, Role
from tuneloop.worker import HANDLERS, load_handlers
from tuneloop_local.emulators.smtp.box import Mailbox
from tuneloop_local.emulators.smtp.page import create_page
from tuneloop_local.emulators.smtp.server import mailbox_server
from tuneloop_local.engines import EngineUrls
from tuneloop_reports.handlers import renderer

REPORT = "/reports/acme/2026-01"
NOTE = "Rentals start in <b>February</b> {{7*7}} <script>alert(1)</script>"


@dataclass(frozen=True)
class Site:
    home: Committed
    address: str
    mailbox: str
    email: str
    runtime: Runtime
    records: dict[str, str]

    def work(self) -> None:
        """Run every job that waits, and those that they leave."""
        while waiting := self._waiting():
            for job in waiting:
                self.runtime.run(job)

    def _waiting(self) -> list[UUID]:
        with self.home.database.unit(self.home.agency.id) as session:
            query = select(JobRow.id).where(JobRow.state == JobState.QUEUED).order_by(col(JobRow.created_at))
            return list(session.exec(query))


@pytest.fixture(scope="module")
def site(engine: Engine, urls: EngineUrls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("site")
    box, port = Mailbox(folder / "mailbox"), free_port()
    records: dict[str, str] = {}
    storage = Storage((folder / "objects").as_uri(), cache=folder / "cache")
    smtp = mailbox_server(box, "127.0.0.1", port)
    smtp.start()
    with committed_agency(engine, urls) as home, dns_server(records) as dns:
        settings = Settings(
            data_dir=folder,
            web_port=free_port(),
            smtp_url=SecretStr(f"smtp://127.0.0.1:{port}?tls=off"),
            dns_server=dns,
            secret_key=SecretStr("secret"),
        )
        make_january(home.database, home.agency, base=f"base-{new_id()}")
        email = make_person(home, Role.OWNER)
        load_handlers(*HANDLERS)
        runtime = Runtime(home.database, storage, settings)
        with served(home, folder, settings) as address, serve(create_page(box)) as mailbox:
            yield Site(home, address, mailbox, email, runtime, records)
    smtp.stop()
    renderer().close()


@pytest.fixture
def owner(browser: Browser, site: Site) -> Iterator[Visitor]:
    with visitor(browser, site.address, viewport={"width": 390, "height": 844}) as person:
        expect(person.sign_in(site.email, PASSWORD).get_by_role("heading", name="Portfolio")).to_be_visible()
        yield person


def logo() -> bytes:
    out = BytesIO()
    Image.new("RGB", (400, 100), "#1f6f4a").save(out, "PNG")
    return out.getvalue()


def test_from_the_look_over_note_and_preview_to_the_letter_on_a_phone(owner: Visitor, site: Site) -> None:
    page = owner.page
    page.goto("/clients/acme")
    page.get_by_text("Change", exact=True).click()
    page.get_by_label("Contacts, one a line").fill("Ann Miller <ann@client.example>\nnobody at home")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("'nobody at home' is none")
    page.get_by_text("Change", exact=True).click()
    page.get_by_label("Contacts, one a line").fill("Ann Miller <ann@client.example>")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("ann@client.example").first).to_be_visible()

    page.goto("/reports/style?client=acme")
    page.get_by_label("Name on the report").fill("North & Sons")
    page.get_by_label("Further recipients").fill("bo@client.example")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Further recipients")).to_have_value("bo@client.example <bo@client.example>\n")
    page.get_by_label("PNG or JPEG").set_input_files({"name": "x.png", "mimeType": "image/png", "buffer": b"GIF89a"})
    page.get_by_role("button", name="Put it on reports").click()
    expect(page.get_by_role("alert")).to_contain_text("must be a PNG or JPEG")
    page.get_by_label("PNG or JPEG").set_input_files({"name": "x.png", "mimeType": "image/png", "buffer": logo()})
    page.get_by_role("button", name="Put it on reports").click()
    shown = page.get_by_role("img", name="The logo on reports")
    expect(shown).to_be_visible()
    assert shown.evaluate("image => image.complete && image.naturalWidth") == 400

    page.goto("/reports")
    page.get_by_label("Month").fill("2026-01")
    page.get_by_role("button", name="Draft").click()
    page.get_by_label("Shown on the first page").fill(NOTE)
    page.get_by_role("button", name="Put it in").click()
    expect(page.get_by_role("status").first).to_contain_text("The note is in the report.")
    site.work()
    page.reload()
    expect(page.get_by_role("link", name="PDF, ")).to_be_visible()
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Read it").click()
    preview = opened.value
    expect(preview.get_by_text(NOTE)).to_be_visible()
    expect(preview.get_by_role("img", name="North & Sons")).to_be_visible()
    expect(preview.get_by_role("heading", name="Accuracy over time")).to_be_visible()
    assert preview.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    preview.close()

    page.get_by_role("button", name="Approve and send").click()
    dialog = page.get_by_role("dialog", name="Sure?")
    expect(dialog).to_contain_text("Send this report to 2 people?")
    dialog.get_by_role("button", name="Yes, do it").click()
    expect(page.get_by_role("status").first).to_contain_text("Approved. It is on its way.")
    site.work()
    page.reload()
    expect(page.get_by_role("row", name="ann@client.example")).to_contain_text("sent")
    page.get_by_role("button", name="Make a link").click()
    link = page.get_by_role("status").first.inner_text().partition("/r/")[2].strip()
    for path in ("/reports", "/reports/style", "/reports/sender", REPORT, "/clients/acme"):
        check_page(owner, path)
    page.goto(f"/r/{link}")
    expect(page.get_by_role("link", name="Download as PDF")).to_be_visible()
    check_looks(owner)
    page.goto(f"{REPORT}/view")
    check_looks(owner)
    with site.home.database.unit(site.home.agency.id) as session:
        assert session.exec(select(Report.state)).all() == [ReportState.DELIVERED]
        assert session.exec(select(Client.contacts)).all() == [[{"name": "Ann Miller", "email": "ann@client.example"}]]


def test_the_letter_can_be_read_in_the_mailbox(browser: Browser, site: Site) -> None:
    with visitor(browser, site.mailbox, viewport={"width": 390, "height": 844}) as person:
        page = person.page
        page.goto("/")
        expect(page.get_by_role("row", name="report for January 2026")).to_have_count(2)
        check_looks(person)
        page.get_by_role("row", name="ann@client.example").get_by_role("link").click()
        letter = page.frame_locator("iframe")
        expect(letter.get_by_text("your report for January 2026 is attached")).to_be_visible()
        expect(letter.get_by_text(NOTE)).to_be_visible()
        check_looks(person)
        href = page.get_by_role("link", name="acme-2026-01.pdf").get_attribute("href")
        assert person.context.request.get(f"{site.mailbox}{href}").body().startswith(b"%PDF-")


def test_an_address_is_shown_to_be_the_agency_s(owner: Visitor, site: Site) -> None:
    page = owner.page
    page.goto("/reports")
    page.get_by_role("link", name="Sender").click()
    page.get_by_label("Address", exact=True).fill("reports@north.example")
    page.get_by_label("Name", exact=True).fill("North Agency")
    page.get_by_label("Make a new DKIM key").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Mail comes from no-reply@tuneloop.localhost under your name")).to_be_visible()
    assert owner.overflow() == 0
    page.get_by_role("button", name="Look for it").click()
    expect(page.get_by_role("alert")).to_contain_text("there is no TXT record at ")
    name, value = page.locator("dd code").all_inner_texts()
    site.records[name] = value
    page.get_by_role("button", name="Look for it").click()
    expect(page.get_by_role("status").first).to_contain_text("Mail comes from reports@north.example from now on.")
    expect(page.get_by_role("button", name="Look for it")).to_have_count(0)
    check_page(owner, "/reports/sender")

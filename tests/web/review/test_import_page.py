"""A file of examples through the page: sent, its columns and labels chosen, imported without its bad rows."""

import re
from pathlib import Path

from playwright.sync_api import Browser, expect
from sqlmodel import select

from tests.predictions.conftest import Log
from tests.support.browser import visitor
from tests.support.committed import Committed
from tests.support.site import PASSWORD, make_person
from tuneloop.registry.service import full_name
from tuneloop.tables import Example, Role, Upload

TICKETS = (
    "Ticket;Nachricht;Thema;Erstellt\r\n"
    "1001;Wo bleibt meine Teekanne?;Orders;2026-10-01\r\n"
    "1002;Ich hätte gern mein Geld zurück;Rückzahlung;2026-10-01\r\n"
    "1003;Grüße aus Köln;Wetter;2026-10-02\r\n"
).encode("cp1252")
PHONE = {"viewport": {"width": 390, "height": 844}}


def test_a_spreadsheet_is_looked_at_and_imported(
    browser: Browser, address: str, home: Committed, log: Log, shots: Path
) -> None:
    with home.database.unit(home.agency.id) as session:
        name = full_name(session, log.model)
    with visitor(browser, address, **PHONE) as person:
        person.sign_in(make_person(home, Role.OPERATOR), PASSWORD)
        page = person.page
        page.goto(f"/models/{name}/data")
        page.get_by_role("link", name="Import examples").first.click()
        page.screenshot(path=shots / "import.png", full_page=True)
        page.get_by_label("File, up to").set_input_files(
            {"name": "tickets.csv", "mimeType": "text/csv", "buffer": TICKETS}
        )
        page.get_by_role("button", name="Look at it").click()
        expect(page.get_by_role("heading", name="tickets.csv")).to_be_visible()
        expect(page.get_by_text("CSV, divided by semicolons, written in cp1252")).to_be_visible()
        page.screenshot(path=shots / "import-unclear.png", full_page=True)
        expect(page.get_by_label("Text")).to_have_value("Nachricht")
        expect(page.get_by_label("Answer")).to_have_value("Thema")
        page.get_by_role("button", name="Use these columns").click()
        page.get_by_label("Label for Rückzahlung").select_option("refund")
        page.screenshot(path=shots / "import-labels.png", full_page=True)
        expect(page.get_by_label("Label for Orders")).to_have_value("Orders=order")
        page.get_by_role("button", name="Use these labels").click()
        page.screenshot(path=shots / "import-ready.png", full_page=True)
        assert person.overflow() == 0
        page.get_by_role("button", name="Import 2 examples").click()
        expect(page.get_by_role("alert")).to_contain_text("'Wetter' is not a label of this model")
        page.screenshot(path=shots / "import-refused.png", full_page=True)
        expect(page.get_by_label("Leave out rows with problems")).to_be_checked()
        page.get_by_role("button", name="Import 2 examples").click()
        expect(
            page.get_by_text(re.compile(r"2 examples were imported.*, 1 with problems were left out\."))
        ).to_be_visible()
    with home.database.unit(home.agency.id) as session:
        kept = session.exec(select(Example).where(Example.model_id == log.model.id)).all()
        assert sorted((each.messages[0]["content"], each.expected) for each in kept) == [
            ("Ich hätte gern mein Geld zurück", "refund"),
            ("Wo bleibt meine Teekanne?", "order"),
        ]
        assert session.exec(select(Upload).where(Upload.model_id == log.model.id)).all() == []

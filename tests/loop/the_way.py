"""From the first visit to a sent report, as the owner of a small agency goes it: a function for each stage."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.gateway.waiting import eventually
from tests.loop.owner import Owner
from tests.support.browser import visitor
from tests.support.running import LABELS
from tuneloop.kit.settings import Settings
from tuneloop_local.demo.scenario import CustomerMessage

PASSWORD = "three words and more"
GOLDEN = 42
"""Of the 60 examples that are split 18 measure, and all of the 24 that are dropped."""

COLLEAGUE = "otto@north.example"


def spreadsheet(file: Path, rows: Iterable[CustomerMessage]) -> Path:
    file.write_text("Message;Topic\n" + "".join(f"{row.text};{row.answer}\n" for row in rows))
    return file


def set_up(owner: Owner, code: str) -> None:
    owner.page.goto("/")
    owner.paste("Set-up code", code)
    owner.type("Name", "North")
    owner.type("Your name", "Olga")
    owner.type("E-mail", "olga@north.example")
    owner.type("Choose a password", PASSWORD)
    owner.type("Once more", PASSWORD)
    owner.press("Set up")
    owner.sees("North is set up")
    owner.sees("Guard your account with a second factor")


def add_client_and_model(owner: Owner) -> None:
    owner.press("Add a client", "link")
    owner.type("Name, as reports say it", "Acme")
    owner.type("Contacts, one a line (optional)", "Robin Ellis <robin@acme.example>")
    owner.press("Add the client")
    owner.sees("Acme is added.")
    owner.type("Name", "support")
    owner.paste("Labels, one a line", "\n".join(LABELS))
    owner.type("Instruction (system prompt)", "Sort the message.")
    owner.press("Register the model")
    owner.sees("The model is registered. Now its examples.")


def bring_examples(owner: Owner, file: Path, *, rows: int) -> None:
    owner.attach("File, up to", file)
    owner.press("Look at it")
    owner.sees("Good rows")
    owner.press(f"Import {rows} examples")
    owner.sees("to measure with. They are checked before anything learns from them.")


def drop_examples(owner: Owner, file: Path, *, rows: int) -> None:
    owner.press("Import examples", "link")
    owner.drop("File, up to", file)
    owner.press("Look at it")
    owner.page.get_by_label("Every version is tested with it").check()
    owner.clicks += 1
    owner.press(f"Import {rows} examples")
    owner.sees(f"{rows} examples were imported.")


def ask_for_training(owner: Owner) -> None:
    owner.home()
    owner.press("Train the first version", "link")
    owner.sees("Time: not timed here yet")
    owner.press("Train the first version")
    owner.sees("Approve this retrain?")
    owner.sees("Time: not timed here yet")
    owner.press("Approve retrain")
    owner.sees("Approved")


def connect_slack(owner: Owner, settings: Settings) -> Page:
    """The workspace, the channel for messages and who one is there. Returns the page of the workspace."""
    owner.home()
    owner.press("Connect Slack", "link")
    owner.press("Connect Slack")
    owner.press("Continue at Slack", "link")
    owner.press("Allow")
    owner.sees("Agency is connected")
    owner.press("the page Slack", "link")
    owner.sees("Link yourself")
    slack = owner.visitor.context.new_page()
    slack.goto(settings.slack_emulator_url)
    owner.press("Tuneloop · Home", within=slack)
    with owner.visitor.context.expect_page() as opened:
        owner.press("Link me", within=slack)
    opened.value.get_by_role("button", name="You is me").click()
    expect(opened.value.get_by_role("status").first).to_contain_text("You is you now")
    opened.value.close()
    owner.press("# general", within=slack)
    owner.press("/invite @Tuneloop", within=slack)
    slack.get_by_label("Message", exact=True).fill("/tuneloop here")
    owner.press("Send", within=slack)
    owner.clicks += 1
    owner.keys += len("/tuneloop here")
    return slack


def promote_in_slack(owner: Owner, slack: Page) -> None:
    """After a look at what it gets right, on the page."""
    owner.home()
    owner.press("Put it into production", "link")
    owner.sees("Promote v1.0?", seconds=180)
    owner.sees("Overall accuracy")
    owner.sees(f"n = {GOLDEN}")
    expect(slack.get_by_role("heading", name="Candidate acme/support@v1.0")).to_be_visible()
    owner.press("Promote", within=slack)
    owner.press("Promote", within=slack.get_by_role("dialog"))
    owner.looks_again_until(owner.page.get_by_text("Deployed", exact=True).first)
    slack.close()


def connect(owner: Owner) -> None:
    """The snippets work as they stand."""
    owner.home()
    owner.press("Connect the client's application", "link")
    owner.press("Make a key")
    owner.sees("Copy it now")
    python, curl = (owner.page.locator(f"#snippet-{name}").text_content() or "" for name in ("python", "curl"))
    for command in ([sys.executable, "-c", python], ["/bin/sh", "-c", curl]):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        assert any(label in done.stdout for label in LABELS)
    owner.press("Connect", "link")
    owner.sees("Connected")


def key_for_commands(owner: Owner) -> str:
    """For what developers and commands do beside the owner; not counted."""
    page = owner.page
    page.goto("/keys")
    page.get_by_label("Name").fill("tests")
    page.get_by_label("May").select_option("admin")
    page.get_by_label("Confined to").select_option("*")
    page.get_by_role("button", name="Make key").click()
    return page.locator("#token").inner_text()


def invite_a_colleague(owner: Owner, browser: Browser, settings: Settings) -> None:
    owner.home()
    owner.press("Invite colleagues", "link")
    owner.type("E-mail", COLLEAGUE)
    owner.choose("Role", "operator")
    owner.press("Invite")
    owner.sees(f"An invitation goes to {COLLEAGUE}")
    with visitor(browser, settings.site_url) as otto:
        page = otto.page
        page.goto(f"http://127.0.0.1:{settings.mailbox_port}")
        eventually(lambda: page.reload() and page.get_by_role("row", name=COLLEAGUE).count() > 0, within=60)
        page.get_by_role("row", name=COLLEAGUE).get_by_role("link").click()
        page.get_by_text("Plain text").click()
        letter = page.locator("details pre").first.inner_text()
        page.goto(next(word for word in letter.split() if "/invitation" in word))
        page.get_by_label("Your name").fill("Otto")
        page.get_by_label("Choose a password").fill(PASSWORD)
        page.get_by_label("Once more").fill(PASSWORD)
        page.get_by_role("button", name="Join").click()
        expect(page.get_by_role("status").first).to_have_text("You have joined.")


def open_the_office(owner: Owner) -> None:
    """Stripe, the sender of mail, the look of reports, a plan and who is on it."""
    owner.home()
    owner.press("Connect Stripe", "link")
    owner.press("Try it with the emulator")
    owner.sees("Test mode: no money moves")
    owner.home()
    owner.press("Send mail from your own address", "link")
    owner.type("Address", "reports@north.example")
    owner.press("Save")
    owner.sees("Saved for the next mail.")
    owner.home()
    owner.press("Put your name and colours on reports", "link")
    owner.type("Name on the report", "North")
    owner.press("Save")
    owner.sees("Saved for the next report.")
    owner.home()
    owner.press("Choose the plan of Acme", "link")
    owner.press("Make a plan first", "link")
    owner.type("Short name", "standard")
    owner.press("Add plan")
    owner.sees("is on sale")
    owner.home()
    owner.press("Choose the plan of Acme", "link")
    owner.press("Subscribe")
    owner.sees("standard holds now")


def send_the_report(owner: Owner, settings: Settings) -> None:
    owner.page.get_by_role("button", name="End 20").click()
    owner.agree("for Acme now?")
    owner.clicks += 1
    row = owner.page.get_by_role("row", name="Acme")
    owner.looks_again_until(row)
    owner.press("Acme", "link", within=row)
    pdf = owner.page.get_by_role("link", name="PDF, ")
    owner.looks_again_until(pdf)
    address = pdf.get_attribute("href")
    answer = owner.visitor.context.request.get(f"{settings.site_url}{address}")
    assert answer.body().startswith(b"%PDF-")
    owner.press("Approve and send")
    owner.agree("Send this report to 1 person?")
    owner.sees("Approved. It is on its way.")
    owner.looks_again_until(owner.page.get_by_role("row", name="robin@acme.example").get_by_text("sent", exact=True))

"""Every message, by the real listeners: said what must be said, taken by Slack's models, readable on a phone.

TUNELOOP_PICTURES=FOLDER keeps a picture of each, in light, in dark and on a phone.
"""

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.bot.gallery import Gallery, make_gallery
from tests.bot.office import Office, shown
from tests.support.browser import visitor

PICTURES = os.environ.get("TUNELOOP_PICTURES", "")
SAID = {
    "an alert": "*Answers that were wrong*",
    "a call about it": "The alert about `acme/support` is still open.",
    "a question": "Retrain asked/support?",
    "its reminder": "The retrain of `asked/support` still waits for an answer.",
    "its escalation": "Nobody has answered about the retrain of `asked/support`.",
    "progress": "Training ▓▓▓▓▓▓░░░░ 65 %",
    "a decision": "Rejected by `Otto`",
    "a failure": "The retrain of failed/support failed",
    "a deployed version": "`deployed/support@v1.1` is in production since",
    "the verdict for": "*Verdict: promote*",
    "the verdict against": "*Verdict: reject*",
    "why a candidate was turned down": ":x: *`v1.3` was turned down after 3 attempts.*",
    "the next attempt": "*Attempt 3 of up to 3*",
    "no verdict yet": "*Verdict: more labels are needed*",
    "the week": "Your week",
    "a report": "Report of Acme for 2026-01",
}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1100, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1100, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
}
WIDE = "[...document.querySelectorAll('#messages *')].filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth)"
OVER = f"{WIDE}.filter(e => getComputedStyle(e).display !== 'inline').map(e => e.className || e.tagName)"


@pytest.mark.timeout(600)  # a message of every kind, each by its way through the app and back
def test_every_message_is_sent_and_fits_on_a_phone(north: Office, browser: Browser) -> None:
    gallery = make_gallery(north)
    told = [shown(each.content) for each in north.messages()]
    missing = [name for name, words in SAID.items() if not any(words in each for each in told)]
    assert missing == []
    for name, look in LOOKS.items() if PICTURES else (("phone", LOOKS["phone"]),):
        with visitor(browser, north.emulator.url, **look) as person:
            page = person.page
            page.goto("/")
            page.get_by_label("You are").select_option(label="Otto")
            page.get_by_role("button", name="# general").click()
            expect(page.locator("article.message")).to_have_count(len(_seen(north)))
            page.wait_for_function("() => [...document.images].every(image => image.complete)")
            assert (person.overflow(), page.evaluate(OVER)) == (0, []), name
            _look(gallery, page, name)


def _seen(north: Office) -> list[Any]:
    return [each for each in north.messages() if each.channel == north.channel] + north.told("Otto")


def _look(gallery: Gallery, page: Page, look: str) -> None:
    """The modals and App Home; pictures of everything where they are asked for."""
    if PICTURES:
        page.set_viewport_size({"width": LOOKS[look]["viewport"]["width"], "height": 2000})
        for place, each in enumerate(page.locator("article.message").all()):
            each.screenshot(path=Path(PICTURES) / f"{look}-{place:02}.png")
    for name, open_it in gallery.modals.items():
        open_it()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_be_visible()
        if PICTURES:
            dialog.screenshot(path=Path(PICTURES) / f"{look}-modal-{name}.png")
        page.get_by_role("button", name="Cancel").click()
        expect(dialog).to_be_hidden()
    with page.expect_response("**/do/open_home"):
        page.get_by_role("button", name="Tuneloop · Home").click()
    expect(page.get_by_role("heading", name="What waits for you")).to_be_visible()
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{look}-home.png")

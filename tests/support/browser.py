"""A real Chromium, and pages that remember what went wrong in them."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")

expect.set_options(timeout=30_000)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Fails the test, saying what to do, when there is no browser."""
    found = os.environ.get("TUNELOOP_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.fail("these tests need Chromium: run .ci/install-debian.sh as root, or set TUNELOOP_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(QUIET))
        try:
            yield browser
        finally:
            browser.close()


class Visitor:
    """A person's browser at one site. `problems` are script errors, refused resources and failed requests.

    It asks for less motion: a busy machine gives up a transition between pages, and the browser calls that an error.
    """

    def __init__(self, browser: Browser, site: str, **options: Any) -> None:
        self.context = browser.new_context(**{"base_url": site, "reduced_motion": "reduce", **options})
        self.context.set_default_timeout(30_000)
        self.page: Page = self.context.new_page()
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", self._said)
        self.page.on("requestfailed", lambda request: self._failed(request.url, request.failure))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.problems.append(message.text)

    def _failed(self, url: str, failure: str | None) -> None:
        if "ERR_ABORTED" not in str(failure):  # a page left while it loaded
            self.problems.append(f"{url}: {failure}")

    def sign_in(self, email: str, password: str) -> Page:
        self.page.goto("/sign-in")
        self.page.get_by_label("E-mail").fill(email)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        return self.page

    def overflow(self) -> int:
        """Pixels that the page is wider than its window."""
        wide: int = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return wide


@contextmanager
def visitor(browser: Browser, site: str, **options: Any) -> Iterator[Visitor]:
    """Closes the window, and fails if anything in it did."""
    person = Visitor(browser, site, **options)
    try:
        yield person
    finally:
        person.context.close()
    if person.problems:
        pytest.fail("in the browser: " + "; ".join(person.problems))

"""What every page keeps to in each of its looks, checked in a browser."""

from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Page, ViewportSize, expect

from tests.support.browser import Visitor

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
PHONE: ViewportSize = {"width": 360, "height": 740}
OF_SMALL_SCREENS = ("color-contrast", "target-size", "scrollable-region-focusable", "link-in-text-block")
UNCAPTIONED = "[...document.querySelectorAll('table')].filter(table => !table.caption).length"


def check_page(person: Visitor, path: str) -> None:
    """One heading, every table captioned, and what `check_looks` wants."""
    person.page.goto(path)
    expect(person.page.get_by_role("heading", level=1)).to_have_count(1)
    expect(person.page.get_by_role("main")).to_be_visible()
    assert person.page.evaluate(UNCAPTIONED) == 0, path
    check_looks(person)


def check_looks(person: Visitor) -> None:
    """Nothing that axe-core finds and nothing beside the screen: light, dark and on a phone.

    The page that is open is looked at in all three, since what differs is its style alone.
    """
    page = person.page
    window = page.viewport_size
    found = findings(page)
    page.emulate_media(color_scheme="dark")
    found += findings(page, "color-contrast")
    page.set_viewport_size(PHONE)
    wide = person.overflow()
    page.emulate_media(color_scheme="light")
    found += findings(page, *OF_SMALL_SCREENS)
    if window:
        page.set_viewport_size(window)
    assert not found, f"{page.url}: " + "\n".join(dict.fromkeys(found))
    assert wide == 0, f"{page.url} is {wide} px wider than a phone"


def findings(page: Page, *rules: str) -> list[str]:
    """Violations by axe-core's rules, or by those that are named, with the element of each."""
    options: dict[str, Any] = {"resultTypes": ["violations"], "preload": False, "iframes": False}
    options |= {"runOnly": list(rules)} if rules else {"rules": {"target-size": {"enabled": True}}}
    page.evaluate(AXE)
    found: list[dict[str, Any]] = page.evaluate("options => axe.run(options).then(said => said.violations)", options)
    return [
        f"{each['id']}: {node['html'][:200]} ({node['failureSummary']})" for each in found for node in each["nodes"]
    ]

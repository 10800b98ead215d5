"""What every page of the console keeps to, checked in a browser."""

from playwright.sync_api import expect

from tests.support.browser import Visitor

NAMELESS = """[...document.querySelectorAll("button, a, input:not([type=hidden]), select, textarea")]
    .filter(e => !(e.labels?.length || e.ariaLabel || e.textContent.trim() || e.title)).map(e => e.outerHTML)"""
UNCAPTIONED = "[...document.querySelectorAll('table')].filter(table => !table.caption).length"


def check_page(person: Visitor, path: str) -> None:
    """One heading, every control named, every table captioned, nothing beside the screen."""
    person.page.goto(path)
    expect(person.page.get_by_role("heading", level=1)).to_have_count(1)
    assert person.overflow() == 0, path
    assert person.page.evaluate(NAMELESS) == [], path
    assert person.page.evaluate(UNCAPTIONED) == 0, path

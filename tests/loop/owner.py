"""The owner of a small agency, who has a browser and nothing else: by keyboard alone or by mouse, and counted."""

from pathlib import Path
from typing import Literal

from playwright.sync_api import Error, Locator, Page, expect

from tests.gateway.waiting import eventually
from tests.support.browser import Visitor

CLICK_SECONDS = 3.05
KEY_SECONDS = 0.28
"""Of the keystroke-level model (Card, Moran and Newell, 1980): think, reach, point, press; an average typist's key."""

FURTHEST = 250
WHERE = """target => {
    const here = document.activeElement, box = here.getBoundingClientRect(), style = getComputedStyle(here);
    const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
    return {
        there: here === target,
        inside: target.closest("main") !== null,
        nowhere: here === document.body,
        seen: outlined && box.width > 0 && box.bottom > 0 && box.top < innerHeight,
        what: here.outerHTML.slice(0, 200),
    };
}"""

Role = Literal["button", "link"]


class Owner:
    """`clicks` and `keys` are what it takes a person. What is pasted counts as a click, Tab as a key."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.page: Page = visitor.page
        self.by_keyboard = False
        self.clicks = 0
        self.keys = 0

    @property
    def minutes(self) -> float:
        return (self.clicks * CLICK_SECONDS + self.keys * KEY_SECONDS) / 60

    def press(self, name: str, role: Role = "button", *, within: Locator | Page | None = None) -> None:
        """Use the button or link; in a list of several with this name, the first."""
        target = (within or self.page).get_by_role(role, name=name, exact=True).first
        if self.by_keyboard:
            self._reach(target)
            self.page.keyboard.press("Enter")
        else:
            self._click(target)
        self.clicks += 1

    def type(self, label: str, text: str) -> None:
        self._fill(label, text)
        self.keys += len(text)

    def paste(self, label: str, text: str) -> None:
        self._fill(label, text)
        self.clicks += 1

    def choose(self, label: str, option: str) -> None:
        self.page.get_by_label(label, exact=True).select_option(label=option)
        self.clicks += 1

    def attach(self, label: str, file: Path) -> None:
        """Choose the file in the browser's own dialog."""
        target = self.page.get_by_label(label)
        with self.page.expect_file_chooser() as opened:
            if self.by_keyboard:
                self._reach(target)
                self.page.keyboard.press("Enter")
            else:
                target.click()
        opened.value.set_files(file)
        self.clicks += 2

    def drop(self, label: str, file: Path) -> None:
        """Drag the file from a folder's window onto the field, as the operating system does it."""
        target = self.page.get_by_label(label)
        target.scroll_into_view_if_needed()
        box = target.bounding_box()
        assert box is not None
        devtools = self.visitor.context.new_cdp_session(self.page)
        held = {"items": [], "files": [str(file)], "dragOperationsMask": 1}
        for step in ("dragEnter", "dragOver", "drop"):
            place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
            devtools.send("Input.dispatchDragEvent", {"type": step, "data": held, **place})
        devtools.detach()
        self.clicks += 1

    def agree(self, begins: str) -> None:
        """To what the page asks once more."""
        asked = self.page.get_by_role("dialog", name="Sure?")
        expect(asked).to_contain_text(begins)
        self.press("Yes, do it", within=asked)

    def sees(self, text: str, *, seconds: float = 30) -> None:
        expect(self.page.get_by_role("main")).to_contain_text(text, timeout=seconds * 1000)
        assert self.visitor.overflow() == 0, self.page.url

    def looks_again_until(self, sign: Locator) -> None:
        """Come back to the page later: what it waits for is no work of a person."""
        eventually(lambda: self.page.reload() and sign.count() > 0, within=180)

    def home(self) -> None:
        self.press("Portfolio", "link")

    def _click(self, target: Locator) -> None:
        try:
            target.click()
        except Error as error:
            error.add_note(f"{target.page.url} shows: {target.page.locator('body').inner_text()[:1000]}")
            raise

    def _fill(self, label: str, text: str) -> None:
        target = self.page.get_by_label(label, exact=True)
        if self.by_keyboard:
            self._reach(target)
            self.page.keyboard.press("ControlOrMeta+a")
            self.page.keyboard.insert_text(text)
            expect(target).to_have_value(text)
        else:
            target.fill(text)

    def _reach(self, target: Locator) -> None:
        """By Tab, past the menu by the page's own link; what has the focus is seen at every step."""
        expect(target).to_be_visible()
        for _ in range(FURTHEST):
            at = target.evaluate(WHERE)
            if at["there"]:
                return
            self.page.keyboard.press("Tab")
            self.keys += 1
            if at["nowhere"] and at["inside"]:
                self.page.keyboard.press("Enter")
                self.keys += 1
                self.page.keyboard.press("Tab")
            at = target.evaluate(WHERE)
            assert at["seen"] or at["nowhere"], f"the focus is not seen at {self.page.url}: {at['what']}"
        raise AssertionError(f"{target} can't be reached by keyboard at {self.page.url}")

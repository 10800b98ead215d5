"""A person sets up a second factor in a browser, and signs in with it."""

from contextlib import closing

from playwright.sync_api import Browser, expect

from tests.support.browser import Visitor
from tests.support.committed import Committed
from tests.support.phone import Phone
from tests.support.site import PASSWORD, make_person
from tuneloop.tables import Role


def test_it_is_set_up_by_a_qr_code_and_asked_for_at_the_next_sign_in(
    browser: Browser, address: str, home: Committed
) -> None:
    email = make_person(home, Role.VIEWER)
    person = Visitor(browser, address, viewport={"width": 390, "height": 844})  # refusals are part of it
    with closing(person.context):
        page = person.sign_in(email, PASSWORD)
        page.goto("/account")
        page.get_by_role("link", name="Set it up").click()
        page.get_by_label("Your password").fill("not the password at all")
        page.get_by_role("button", name="Begin").click()
        expect(page.get_by_role("alert")).to_have_text("That is not your present password.")
        page.get_by_label("Your password").fill(PASSWORD)
        page.get_by_role("button", name="Begin").click()
        drawn = page.get_by_role("img", name="QR code")
        expect(drawn).to_be_visible()
        assert drawn.evaluate("image => image.naturalWidth") > 100
        assert person.overflow() == 0
        phone = Phone(page.locator("code.secret").inner_text())
        page.get_by_label("The code that the app shows").fill("000000")
        page.get_by_role("button", name="Turn it on").click()
        expect(page.get_by_role("alert")).to_contain_text("That code is wrong")
        page.get_by_label("The code that the app shows").fill(phone.code())
        page.get_by_role("button", name="Turn it on").click()
        expect(page.locator(".codes li")).to_have_count(10)
        assert person.overflow() == 0
        page.get_by_role("link", name="I have kept them").click()
        page.get_by_role("button", name="Sign out").click()
        person.sign_in(email, PASSWORD)
        page.get_by_label("Code of your authenticator app").fill(phone.code())
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_role("heading", name="Portfolio")).to_be_visible()
        page.goto("/account/second-factor")
        expect(page.get_by_text("10 recovery codes are left")).to_be_visible()

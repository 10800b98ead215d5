"""Joining in a browser: invited on a page, by a link, with a password that only the new person types."""

import re

from playwright.sync_api import Browser, expect
from pydantic import SecretStr
from sqlmodel import select

from tests.support.browser import Visitor, visitor
from tests.support.committed import Committed
from tests.support.looks import check_page
from tests.support.site import PASSWORD, make_person
from tuneloop.identity.secrets import derived_token
from tuneloop.tables import PasswordLink, Role, User

OWN = "words of my own choice"


def _link(owner: Visitor, email: str) -> str:
    owner.page.get_by_role("button", name=f"Show the link of {email}").click()
    dialog = owner.page.get_by_role("dialog", name="Sure?")
    expect(dialog).to_contain_text("The audit log will name you")
    dialog.get_by_role("button", name="Yes, do it").click()
    shown = owner.page.locator("#link").inner_text()
    return shown[shown.index("/invitation") :]


def test_an_invited_person_chooses_a_password_and_is_in(owner: Visitor, browser: Browser, address: str) -> None:
    page, email = owner.page, "nora@studio.example"
    page.goto("/members")
    expect(page.locator("input[type=password]")).to_have_count(0)
    page.get_by_label("E-mail").fill(email)
    page.get_by_role("button", name="Invite").click()
    expect(page.get_by_role("status").first).to_contain_text(f"An invitation goes to {email}")
    expect(page.get_by_role("row", name=email)).to_contain_text("queued")
    link = _link(owner, email)
    with visitor(browser, address, viewport={"width": 360, "height": 740}) as nora:
        check_page(nora, link)
        expect(nora.page.get_by_text(f"invites {email} as viewer")).to_be_visible()
        nora.page.get_by_label("Your name").fill("Nora")
        nora.page.get_by_label("Choose a password").fill(OWN)
        nora.page.get_by_label("Once more").fill(OWN)
        nora.page.get_by_role("button", name="Join").click()
        expect(nora.page.get_by_role("heading", name="Portfolio")).to_be_visible()
        expect(nora.page.get_by_role("status").first).to_have_text("You have joined.")
    page.goto("/members")
    expect(page.get_by_role("row", name="Nora")).to_contain_text(email)
    expect(page.get_by_role("heading", name="Invited")).to_have_count(0)


def test_two_passwords_that_differ_are_typed_again_and_the_name_stays(
    owner: Visitor, browser: Browser, address: str
) -> None:
    email = "rita@studio.example"
    owner.page.goto("/members")
    owner.page.get_by_label("E-mail").fill(email)
    owner.page.get_by_role("button", name="Invite").click()
    rita = Visitor(browser, address)
    rita.page.goto(_link(owner, email))
    rita.page.get_by_label("Your name").fill("Rita")
    rita.page.get_by_label("Choose a password").fill(OWN)
    rita.page.get_by_label("Once more").fill(OWN + "x")
    rita.page.get_by_role("button", name="Join").click()
    expect(rita.page.get_by_role("alert")).to_contain_text("not the same")
    expect(rita.page.get_by_label("Your name")).to_have_value("Rita")
    rita.context.close()
    owner.page.goto("/members")
    owner.page.get_by_role("button", name=f"Withdraw the invitation of {email}").click()
    owner.page.get_by_role("dialog", name="Sure?").get_by_role("button", name="Yes, do it").click()
    expect(owner.page.get_by_role("status").first).to_contain_text("is withdrawn")


def test_somebody_with_an_account_elsewhere_confirms_with_the_password_they_have(
    owner: Visitor, browser: Browser, address: str, home: Committed
) -> None:
    email = make_person(home, Role.OPERATOR)
    owner.page.goto("/members")
    owner.page.get_by_label("E-mail").fill(email)
    owner.page.get_by_role("button", name="Invite").click()
    person = Visitor(browser, address)
    person.page.goto(_link(owner, email))
    expect(person.page.get_by_label("Choose a password")).to_have_count(0)
    person.page.get_by_label("Your password").fill("a guess at it, no more")
    person.page.get_by_role("button", name="Join").click()
    expect(person.page.get_by_role("alert")).to_contain_text("not the password of this account")
    person.page.get_by_label("Your password").fill(PASSWORD)
    person.page.get_by_role("button", name="Join").click()
    expect(person.page.get_by_role("status").first).to_have_text("You have joined.")
    person.context.close()


def test_a_forgotten_password_is_chosen_anew(browser: Browser, address: str, home: Committed) -> None:
    email = make_person(home, Role.VIEWER)
    with visitor(browser, address) as person:
        page = person.page
        page.goto("/sign-in")
        page.get_by_role("link", name="Forgotten your password?").click()
        page.get_by_label("E-mail").fill(email)
        page.get_by_role("button", name="Send the link").click()
        expect(page.get_by_role("status")).to_contain_text("If there is an account with this address")
        with home.database.all_agencies() as session:
            query = select(PasswordLink.id).join(User).where(User.email == email)
            token = derived_token(SecretStr("a key of the tests"), session.exec(query).one()).token
        check_page(person, f"/password?token={token}")
        page.get_by_label("New password").fill(OWN)
        page.get_by_label("Once more").fill(OWN)
        page.get_by_role("button", name="Set password").click()
        expect(page.get_by_role("status")).to_contain_text("Your new password is set")
        person.sign_in(email, OWN)
        expect(page.get_by_role("heading", name="Portfolio")).to_be_visible()
    again = Visitor(browser, address)
    again.page.goto(f"/password?token={token}")
    expect(again.page.get_by_text(re.compile("used already"))).to_be_visible()
    again.context.close()


def test_my_account_shows_where_i_am_signed_in_and_changes_my_password(
    browser: Browser, address: str, home: Committed
) -> None:
    email = make_person(home, Role.VIEWER)
    with visitor(browser, address, viewport={"width": 360, "height": 740}) as person:
        page = person.sign_in(email, PASSWORD)
        page.get_by_role("link", name="Viewer Smith").click()
        check_page(person, "/account")
        expect(page.get_by_role("table", name="Browsers that are signed in").get_by_role("row")).to_have_count(2)
        expect(page.get_by_text("Chrome on Linux")).to_be_visible()
        page.get_by_label("Present password").fill(PASSWORD)
        page.get_by_label("New password").fill(OWN)
        page.get_by_label("Once more").fill(OWN)
        page.get_by_role("button", name="Change password").click()
        expect(page.get_by_role("status")).to_contain_text("Your password is changed")
        person.sign_in(email, OWN)
        page.goto("/account")
        page.get_by_role("button", name="Sign out everywhere").click()
        page.get_by_role("dialog", name="Sure?").get_by_role("button", name="Yes, do it").click()
        expect(page.get_by_role("status")).to_contain_text("signed out everywhere")


def test_a_member_is_deactivated_and_put_back_on_the_page(owner: Visitor, studio: Committed) -> None:
    email, page = make_person(studio, Role.CLIENT_VIEWER, client="northwind"), owner.page
    page.goto("/members")
    row = page.get_by_role("row", name=email)
    row.get_by_role("button", name="Deactivate").click()
    page.get_by_role("dialog", name="Sure?").get_by_role("button", name="Yes, do it").click()
    expect(page.get_by_role("status").first).to_contain_text("is deactivated and signed out")
    expect(row).to_contain_text("deactivated")
    row.get_by_role("button", name="Reactivate").click()
    expect(page.get_by_role("status").first).to_contain_text("is back")
    row.get_by_role("button", name="New password").click()
    page.get_by_role("dialog", name="Sure?").get_by_role("button", name="Yes, do it").click()
    expect(page.get_by_role("status").first).to_contain_text("gets a link to choose a new password")
    row.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog", name="Sure?").get_by_role("button", name="Yes, do it").click()
    expect(page.get_by_role("row", name=email)).to_have_count(0)

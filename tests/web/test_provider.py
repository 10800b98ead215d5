"""An owner sets the agency's identity provider in a browser, and somebody signs in through it."""

from contextlib import closing

import pytest
from playwright.sync_api import Browser, expect
from pydantic import SecretStr

from tests.support.browser import Visitor, visitor
from tests.support.committed import Committed
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, Person, oidc_provider
from tests.support.ports import free_port
from tests.support.site import PASSWORD, make_person, served
from tuneloop.kit.settings import Settings
from tuneloop.tables import Role


def test_it_is_set_on_a_page_and_signs_people_in(
    browser: Browser, home: Committed, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("provider")
    port = free_port()
    settings = Settings(
        data_dir=folder,
        web_port=port,
        secret_key=SecretStr("a key of the tests"),
        reachable_networks="127.0.0.0/8",
    )
    email, slug = make_person(home, Role.OWNER), home.agency.slug
    hired = Person("new", {"email": f"nia@{slug}.example", "email_verified": True, "name": "Nia", "groups": ["staff"]})
    back = f"http://127.0.0.1:{port}/sign-in/provider/back"
    with oidc_provider(back, hired) as provider, served(home, folder, settings) as address:
        owner = Visitor(browser, address, viewport={"width": 390, "height": 844})  # a refusal is part of it
        with closing(owner.context):
            page = owner.sign_in(email, PASSWORD)
            page.goto("/members")
            page.get_by_role("link", name="Look at it").click()
            page.get_by_label("Issuer").fill(provider.url)
            page.get_by_label("Client id").fill(CLIENT_ID)
            page.get_by_label("Client secret").fill(CLIENT_SECRET)
            page.get_by_label("Roles of groups").fill("staff: viewer")
            page.get_by_role("button", name="Set", exact=True).click()
            expect(page.get_by_role("alert")).to_contain_text("'staff: viewer' is no group with a role")
            expect(page.get_by_label("Issuer")).to_have_value(provider.url)
            page.get_by_label("Client secret").fill(CLIENT_SECRET)
            page.get_by_label("Roles of groups").fill("staff = viewer")
            page.get_by_role("button", name="Set", exact=True).click()
            expect(page.get_by_role("status")).to_contain_text("Try it in another browser")
            assert owner.overflow() == 0
        with visitor(browser, address, viewport={"width": 390, "height": 844}) as nia:
            page = nia.page
            page.goto("/jobs")
            page.get_by_role("link", name="Sign in with your agency").click()
            page.get_by_label("Your agency's short name").fill(slug)
            page.get_by_role("button", name="Go on").click()
            expect(page.get_by_text(provider.url)).to_be_visible()
            assert nia.overflow() == 0
            page.get_by_role("link", name="Go there").click()
            expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
            expect(page.get_by_role("link", name="Nia")).to_be_visible()

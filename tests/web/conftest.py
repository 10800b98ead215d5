"""Two agencies, one of them in the middle of its work, served to a real browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import Engine

from tests.support.browser import Visitor, visitor
from tests.support.committed import Committed, committed_agency
from tests.support.showcase import Showcase, make_showcase
from tests.support.site import PASSWORD, make_person, served
from tuneloop.tables import Role
from tuneloop_local.engines import EngineUrls


@pytest.fixture(scope="package")
def home(engine: Engine, urls: EngineUrls) -> Iterator[Committed]:
    with committed_agency(engine, urls) as made:
        yield made


@pytest.fixture(scope="package")
def address(home: Committed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(home, tmp_path_factory.mktemp("site")) as url:
        yield url


@pytest.fixture(scope="package")
def studio(engine: Engine, urls: EngineUrls) -> Iterator[Committed]:
    """The agency of the showcase, apart from `home`, in which other tests make what they need."""
    with committed_agency(engine, urls) as made:
        yield made


@pytest.fixture(scope="package")
def shown(studio: Committed) -> Showcase:
    return make_showcase(studio.database, studio.agency)


@pytest.fixture(scope="package")
def emails(studio: Committed, shown: Showcase) -> dict[Role, str]:
    """An e-mail address of each role."""
    del shown
    roles = (Role.OWNER, Role.OPERATOR, Role.VIEWER)
    return {role: make_person(studio, role) for role in roles} | {
        Role.CLIENT_VIEWER: make_person(studio, Role.CLIENT_VIEWER, client="northwind")
    }


@pytest.fixture
def owner(browser: Browser, address: str, emails: dict[Role, str]) -> Iterator[Visitor]:
    """Signed in, on the portfolio."""
    with visitor(browser, address) as person:
        _on_the_portfolio(person, emails[Role.OWNER])
        yield person


@pytest.fixture
def operator(browser: Browser, address: str, emails: dict[Role, str]) -> Iterator[Visitor]:
    with visitor(browser, address) as person:
        _on_the_portfolio(person, emails[Role.OPERATOR])
        yield person


def _on_the_portfolio(person: Visitor, email: str) -> None:
    expect(person.sign_in(email, PASSWORD).get_by_role("heading", name="Portfolio")).to_be_visible()

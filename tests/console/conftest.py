"""One agency with committed rows, served to a real browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from sqlalchemy import Engine

from tests.support.browser import Visitor, visitor
from tests.support.committed import Committed, committed_agency
from tests.support.site import served
from tuneloop.kit.engines import EngineUrls


@pytest.fixture(scope="package")
def home(engine: Engine, urls: EngineUrls) -> Iterator[Committed]:
    with committed_agency(engine, urls) as made:
        yield made


@pytest.fixture(scope="package")
def address(home: Committed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(home, tmp_path_factory.mktemp("site")) as url:
        yield url


@pytest.fixture
def person(browser: Browser, address: str) -> Iterator[Visitor]:
    with visitor(browser, address) as opened:
        yield opened

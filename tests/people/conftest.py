"""Two agencies, their owners' keys, and a mail server that takes what people get."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr

from tests.email.server import Taken, smtp_server
from tests.people.post import Post
from tests.support.factories import make_agency
from tests.support.runtime import silent_runtime
from tests.support.web_application import web_application
from tuneloop.kit.db import Database
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.tables import Agency

Http = TestClient[Litestar]


@pytest.fixture
def taken() -> Iterator[Taken]:
    with smtp_server() as server:
        yield server


@pytest.fixture
def settings(tmp_path: Path, taken: Taken) -> Settings:
    return Settings(
        data_dir=tmp_path,
        public_url="https://tuneloop.example",
        secret_key=SecretStr("a key of the tests"),
        smtp_url=SecretStr(f"smtp://127.0.0.1:{taken.port}?tls=off"),
    )


@pytest.fixture
def app(database: Database, storage: Storage, settings: Settings) -> Litestar:
    return web_application(settings, database, storage)


@pytest.fixture
def browser_of(app: Litestar) -> Iterator[Callable[[], Http]]:
    """A new browser, which keeps its own cookies."""
    with ExitStack() as opened:
        yield lambda: opened.enter_context(TestClient(app, base_url="https://tuneloop.example"))


@pytest.fixture
def person(browser_of: Callable[[], Http]) -> Http:
    return browser_of()


@pytest.fixture
def elsewhere(database: Database) -> Agency:
    return make_agency(database, "elsewhere")


@pytest.fixture
def post(database: Database, storage: Storage, settings: Settings, taken: Taken) -> Post:
    return Post(silent_runtime(database, storage, settings), taken)

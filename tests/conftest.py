"""Real PostgreSQL and Valkey for the whole run; one rolled-back transaction per test."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis
import psycopg
import pytest
import structlog
from litestar import Litestar
from litestar.testing import TestClient
from playwright.sync_api import Browser
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy import Engine

from tests.support.browser import chromium
from tests.support.factories import make_agency, make_client, make_key
from tests.support.loopback import keep_to_loopback
from tests.support.network_in_transactions import FOUND, watch_transactions
from tests.support.web_application import web_application
from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.migrations import migrate
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Agency, Client
from tuneloop_local.engines import EngineUrls, engines


def pytest_configure() -> None:
    keep_to_loopback()
    watch_transactions()
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])
    hypothesis.settings.register_profile("without_timing", deadline=None)
    hypothesis.settings.load_profile("without_timing")


@pytest.fixture(autouse=True)
def no_network_in_transactions() -> Iterator[None]:
    yield
    found, FOUND[:] = list(FOUND), []
    assert not found, found[0]


@pytest.fixture(scope="session")
def engines_folder() -> Iterator[Path]:
    """Outside pytest's own folder: each new run on the machine makes that private to its user, and PostgreSQL runs as
    another one if root started it."""
    with TemporaryDirectory(prefix="tuneloop-tests-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def urls(engines_folder: Path) -> Iterator[EngineUrls]:
    with engines(Settings(data_dir=engines_folder / "shared")) as started:
        migrate(started.migration)
        with psycopg.connect(started.migration, autocommit=True) as owner:
            # A test that waits for another one's open transaction says so, and soon.
            owner.execute(
                sql.SQL("alter database {} set lock_timeout = '30s'").format(sql.Identifier(owner.info.dbname))
            )
        yield started


@pytest.fixture(scope="session")
def engine(urls: EngineUrls) -> Iterator[Engine]:
    engine = make_engine(urls.database)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture
def database(engine: Engine) -> Iterator[Database]:
    """Units of work that commit into savepoints of one transaction, which is rolled back after the test."""
    with engine.connect() as connection:
        transaction = connection.begin()
        yield Database(connection)
        transaction.rollback()


@pytest.fixture
def agency(database: Database) -> Agency:
    return make_agency(database, "north")


@pytest.fixture
def principal(agency: Agency) -> Principal:
    return Principal.system(agency.id, "test")


@pytest.fixture
def client_row(database: Database, agency: Agency) -> Client:
    return make_client(database, agency, "acme")


@pytest.fixture
def session(database: Database, agency: Agency) -> Iterator[TenantSession]:
    with database.unit(agency.id) as opened:
        yield opened


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage((tmp_path / "objects").as_uri(), cache=tmp_path / "cache")


@pytest.fixture
def app(database: Database, storage: Storage, tmp_path: Path) -> Litestar:
    settings = Settings(data_dir=tmp_path, slack_client_id="1.2", secret_key=SecretStr("a key of the tests"))
    return web_application(settings, database, storage)


@pytest.fixture
def api(app: Litestar, database: Database, agency: Agency) -> Iterator[TestClient[Litestar]]:
    """HTTP client with the key of an owner of `agency`."""
    with TestClient(app) as http:
        http.headers["Authorization"] = f"Bearer {make_key(database, agency)}"
        yield http

"""An installation in which there is no agency."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tests.support.empty import empty_database
from tuneloop.kit.db import Database
from tuneloop_local.engines import EngineUrls


@pytest.fixture(scope="package")
def nothing(urls: EngineUrls) -> Iterator[Database]:
    with empty_database(urls) as database:
        yield database


@pytest.fixture
def database(nothing: Database) -> Iterator[Database]:
    """Rolled back after the test."""
    assert isinstance(nothing.engine, Engine)
    with nothing.engine.connect() as connection:
        transaction = connection.begin()
        yield Database(connection)
        transaction.rollback()

"""Two agencies with a row in every tenant table, and databases with one of the two walls taken down."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tests.support.committed import Committed, committed_agency
from tests.support.worlds import Place, build
from tuneloop.kit.db import Database, make_engine
from tuneloop_local.engines import EngineUrls


@pytest.fixture(scope="module")
def second_wall_down(urls: EngineUrls) -> Iterator[Place]:
    """The schema's owner bypasses row-level security, so that only the first wall stands."""
    engine = make_engine(urls.migration, pool_size=1)
    with engine.connect() as connection, connection.begin() as transaction:
        yield Place(connection, build(Database(connection)))
        transaction.rollback()
    engine.dispose()


@pytest.fixture(scope="module")
def as_application(engine: Engine) -> Iterator[Place]:
    """The application's role; a plain SQLAlchemy session on this connection meets only the second wall."""
    with engine.connect() as connection, connection.begin() as transaction:
        yield Place(connection, build(Database(connection)))
        transaction.rollback()


@pytest.fixture
def committed(engine: Engine, urls: EngineUrls) -> Iterator[Committed]:
    with committed_agency(engine, urls) as made:
        yield made

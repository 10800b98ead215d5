"""Two agencies with a row in every tenant table, and databases with one of the two walls taken down."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from sqlalchemy import Connection, Engine

from tests.support.committed import Committed, committed_agency
from tests.support.factories import make_agency, make_base
from tests.support.world import World, make_world
from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.engines import EngineUrls


class Worlds(NamedTuple):
    """`acme` and `beta` are clients of one agency, `globex` is another agency's."""

    acme: World
    beta: World
    globex: World


def build(database: Database) -> Worlds:
    base = make_base(database)
    north, south = make_agency(database, "north"), make_agency(database, "south")
    with database.all_agencies() as session:
        return Worlds(
            make_world(session, north, base, "acme"),
            make_world(session, north, base, "beta"),
            make_world(session, south, base, "globex"),
        )


class Place(NamedTuple):
    connection: Connection
    worlds: Worlds

    @property
    def database(self) -> Database:
        return Database(self.connection)


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

"""For tests that need several connections: an agency whose rows are really committed, and deleted afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import Engine, text

from tests.support.factories import make_agency
from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.ids import new_id
from tuneloop.kit.tenancy import tenant_tables
from tuneloop.tables import Agency
from tuneloop_local.engines import EngineUrls


class Committed(NamedTuple):
    database: Database
    agency: Agency


@contextmanager
def committed_agency(engine: Engine, urls: EngineUrls) -> Iterator[Committed]:
    """Every unit of work has a connection of its own, as in production."""
    database = Database(engine)
    agency = make_agency(database, f"own-{new_id()}")
    try:
        yield Committed(database, agency)
    finally:
        _delete(urls.migration, agency)


def _delete(owner_url: str, agency: Agency) -> None:
    """As the owner of the schema, who alone may delete from append-only tables."""
    owner = make_engine(owner_url, pool_size=1)
    with owner.begin() as connection:
        connection.execute(text("set session_replication_role = replica"))
        connection.execute(text("delete from web_session where session_agency_id = :id"), {"id": agency.id})
        for table in tenant_tables():
            key = "id" if table is Agency else "agency_id"
            connection.execute(text(f"delete from {table.__tablename__} where {key} = :id"), {"id": agency.id})
        connection.execute(text("set session_replication_role = default"))
    owner.dispose()

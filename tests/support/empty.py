"""A migrated database in which nobody has done anything, beside the one that the tests share."""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import connect
from psycopg.sql import SQL, Identifier
from sqlalchemy import make_url

from tuneloop.kit.db import Database, make_engine
from tuneloop.kit.ids import new_id
from tuneloop.kit.migrations import migrate
from tuneloop_local.engines import EngineUrls


@contextmanager
def empty_database(urls: EngineUrls) -> Iterator[Database]:
    name = f"empty_{new_id().hex}"
    with connect(urls.migration, autocommit=True) as owner:
        owner.execute(SQL("create database {}").format(Identifier(name)))
        migrate(_named(urls.migration, name))
        engine = make_engine(_named(urls.database, name))
        try:
            yield Database(engine)
        finally:
            engine.dispose()
            owner.execute(SQL("drop database {} with (force)").format(Identifier(name)))


def _named(url: str, database: str) -> str:
    return make_url(url).set(database=database).render_as_string(hide_password=False)

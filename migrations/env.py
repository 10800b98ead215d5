"""Runs the migrations as the role that owns the schema, one process at a time, with lock and statement time-outs."""

import time

from alembic import context
from sqlalchemy import Connection, String, text
from sqlalchemy.types import TypeEngine
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString

import tuneloop.tables  # noqa: F401  (loads the metadata)
from tuneloop.kit.db import make_engine

ADVISORY_LOCK = 7_318_264_151
PAUSE_SECONDS = 0.5


def differs(_context: object, _column: object, _meta: object, found: TypeEngine, wanted: TypeEngine) -> bool | None:
    """Every text column is `text` in the database, also enums."""
    return False if isinstance(found, String) and isinstance(wanted, String | AutoString) else None


def ours(name: str | None, kind: str, _parents: object) -> bool:
    """The floor is the migrations' own, like Alembic's table of revisions: no class describes it."""
    return not (kind == "table" and name == "schema_floor")


def run() -> None:
    url = context.config.get_main_option("sqlalchemy.url")
    if not url:
        raise SystemExit("migrations need a database URL: run them with `tuneloop migrate`")
    engine = make_engine(url, pool_size=1)
    try:
        with engine.connect() as connection:
            _run(connection)
    finally:
        engine.dispose()  # and with it the session that holds the lock, also after a failure


def _run(connection: Connection) -> None:
    # For the session: an index that is made concurrently ends the transaction, and must not end the lock.
    # Asked for again and again rather than waited for: an index would wait for the snapshot of whoever waits.
    while not connection.scalar(text("select pg_try_advisory_lock(:key)"), {"key": ADVISORY_LOCK}):
        connection.rollback()
        time.sleep(PAUSE_SECONDS)
    connection.execute(text("set lock_timeout = '5s'"))
    connection.execute(text("set statement_timeout = '15min'"))
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        compare_type=differs,
        include_name=ours,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()

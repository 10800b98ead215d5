"""Runs the migrations as the role that owns the schema, one process at a time, with lock and statement time-outs."""

from alembic import context
from sqlalchemy import String, text
from sqlalchemy.types import TypeEngine
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString

import tuneloop.tables  # noqa: F401  (loads the metadata)
from tuneloop.kit.db import make_engine

ADVISORY_LOCK = 7_318_264_151


def differs(_context: object, _column: object, _meta: object, found: TypeEngine, wanted: TypeEngine) -> bool | None:
    """Every text column is `text` in the database, also enums."""
    return False if isinstance(found, String) and isinstance(wanted, String | AutoString) else None


def run() -> None:
    url = context.config.get_main_option("sqlalchemy.url")
    if not url:
        raise SystemExit("migrations need a database URL: run them with `tuneloop migrate`")
    engine = make_engine(url, pool_size=1)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=SQLModel.metadata, compare_type=differs)
        with context.begin_transaction():
            connection.execute(text("set local lock_timeout = '10s'"))
            connection.execute(text("set local statement_timeout = '15min'"))
            connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
            context.run_migrations()
    engine.dispose()


run()

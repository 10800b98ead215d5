"""Schema management: upgrade to the newest revision, as the role that owns the schema, and who may work with it."""

import threading
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import OperationalError

from tuneloop.kit.db import make_engine
from tuneloop.kit.errors import Conflict, InvalidInput, Unavailable

log = structlog.get_logger(__name__)

LOCK_NOT_AVAILABLE = "55P03"
TRIES = 8
LONGEST_PAUSE = 30.0
WAIT_SECONDS = 1.0


def migrations_folder() -> Path:
    """`migrations/` of the source tree or beside the installed packages."""
    for parent in Path(__file__).resolve().parents:
        if (parent / "migrations" / "env.py").exists():
            return parent / "migrations"
    raise InvalidInput("the migrations folder is missing; run from a checkout or an image that contains it")


def alembic_config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def migrate(url: str, *, tries: int = TRIES) -> None:
    """Up to the newest revision; each is a transaction. One that has to wait for a lock gives way and tries again.

    Raises:
        Conflict: the schema is of a version that this one does not know.
        Unavailable: others keep their locks for too long.
    """
    config = alembic_config(url)
    known = _known(config)
    present = _present(url)
    if present is not None and present not in known:
        raise Conflict(
            f"this database was made by a version of Tuneloop that this one can't upgrade (schema {present}); "
            "start with an empty data folder or database, or run the version that made it",
            schema=present,
        )
    pause = threading.Event()
    for number in range(1, tries + 1):
        try:
            command.upgrade(config, "head")
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                raise
            log.warning("migration_waits", tried=number, error=error)
            pause.wait(min(2.0**number, LONGEST_PAUSE) if number < tries else 0)
        else:
            return
    raise Unavailable(
        f"the schema could not be changed in {tries} tries: other sessions keep locks for more than five seconds; "
        "look for them in pg_stat_activity, then run 'tuneloop migrate' again (what is done stays done)"
    )


class SchemaBehind(Conflict):
    """Somebody has to migrate first."""

    code = "schema_behind"
    transient = False


def wait_for_schema(url: str, stop: threading.Event) -> None:
    """Return once this version can work with the schema, because somebody else has migrated it, or `stop` is set.

    Raises:
        Conflict: the schema is newer than this version can work with, for which there is no use in waiting.
    """
    config = alembic_config(url)
    while not stop.is_set():
        try:
            _check(url, config)
        except SchemaBehind as behind:
            log.info("waiting_for_the_schema", present=behind.details["schema"])
        except OperationalError:
            log.info("waiting_for_the_database")
        else:
            return
        stop.wait(WAIT_SECONDS)


def require_schema(url: str) -> None:
    """Before a process works with the database. A database that is away is none of its business: it may come back.

    A newer schema is fine as long as its floor is known here: then it has only grown since.

    Raises:
        SchemaBehind: the schema is older than this version needs. Conflict: newer than it can work with.
    """
    if not url:
        return
    try:
        _check(url, alembic_config(url))
    except OperationalError as error:
        log.warning("schema_not_checked", error=error)


def _check(url: str, config: Config) -> None:
    engine = make_engine(url, pool_size=1)
    try:
        with engine.connect() as connection:
            present, floor = _revision(connection), _floor(connection)
    finally:
        engine.dispose()
    known = _known(config)
    head = ScriptDirectory.from_config(config).get_current_head()
    if present in known and present != head:
        raise SchemaBehind(
            f"the database has schema {present}, this version of Tuneloop needs {head}: run 'tuneloop migrate' first",
            schema=present,
        )
    if present is None:
        raise SchemaBehind("the database is empty: run 'tuneloop migrate' first", schema=None)
    if present not in known and floor not in known:
        raise Conflict(
            f"the database has schema {present}, for versions of Tuneloop that know {floor or present}; this "
            f"one knows up to {head}: run a newer version, or restore a backup of before the upgrade",
            schema=present,
        )


def _known(config: Config) -> set[str]:
    return {revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()}


def _present(url: str) -> str | None:
    engine = make_engine(url, pool_size=1)
    try:
        with engine.connect() as connection:
            return _revision(connection)
    finally:
        engine.dispose()


def _revision(connection: Connection) -> str | None:
    return _only(connection, "alembic_version", "version_num")


def _floor(connection: Connection) -> str | None:
    return _only(connection, "schema_floor", "revision")


def _only(connection: Connection, table: str, column: str) -> str | None:
    if not inspect(connection).has_table(table):
        return None
    found: str | None = connection.scalar(text(f"select {column} from {table}"))  # noqa: S608  (constants)
    return found

"""Schema management: upgrade to the newest revision, as the role that owns the schema."""

import threading
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import OperationalError

from tuneloop.kit.db import make_engine
from tuneloop.kit.errors import Conflict, InvalidInput

log = structlog.get_logger(__name__)

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


def migrate(url: str) -> None:
    """Raises Conflict where the schema is of a version that this one does not know."""
    config = alembic_config(url)
    known = {revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()}
    present = _present(url)
    if unknown := sorted(set(present) - known):
        raise Conflict(
            f"this database was made by a version of Tuneloop that this one can't upgrade (schema {unknown[0]}); "
            "start with an empty data folder or database, or run the version that made it",
            schema=unknown[0],
        )
    command.upgrade(config, "head")


def wait_for_schema(url: str, stop: threading.Event) -> None:
    """Return once somebody else has migrated the database to this version's schema, or `stop` is set."""
    wanted = set(ScriptDirectory.from_config(alembic_config(url)).get_heads())
    while not stop.is_set():
        try:
            if (present := set(_present(url))) == wanted:
                return
            log.info("waiting_for_the_schema", present=sorted(present), wanted=sorted(wanted))
        except OperationalError:
            log.info("waiting_for_the_database")
        stop.wait(WAIT_SECONDS)


def _present(url: str) -> tuple[str, ...]:
    engine = make_engine(url, pool_size=1)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_heads()
    finally:
        engine.dispose()

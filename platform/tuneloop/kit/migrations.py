"""Schema management: upgrade to the newest revision, as the role that owns the schema."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from tuneloop.kit.db import make_engine
from tuneloop.kit.errors import Conflict, InvalidInput


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
    engine = make_engine(url, pool_size=1)
    with engine.connect() as connection:
        present = MigrationContext.configure(connection).get_current_heads()
    engine.dispose()
    if unknown := sorted(set(present) - known):
        raise Conflict(
            f"this database was made by a version of Tuneloop that this one can't upgrade (schema {unknown[0]}); "
            "start with an empty data folder or database, or run the version that made it",
            schema=unknown[0],
        )
    command.upgrade(config, "head")

"""Schema management: upgrade to the newest revision, as the role that owns the schema."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from tuneloop.kit.errors import InvalidInput


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
    command.upgrade(alembic_config(url), "head")

"""The migrations make the schema that the tables describe, with a name for every constraint."""

import threading
from collections.abc import Iterator

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Constraint, Index, make_url, text
from sqlmodel import SQLModel

from tuneloop.kit.db import make_engine
from tuneloop.kit.errors import Conflict
from tuneloop.kit.migrations import alembic_config, migrate, wait_for_schema
from tuneloop_local.engines import EngineUrls


@pytest.fixture
def owner(urls: EngineUrls) -> Iterator[Connection]:
    engine = make_engine(urls.migration, pool_size=1)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def empty(urls: EngineUrls, owner: Connection) -> Iterator[str]:
    """URL of a database of its own."""
    outside = owner.execution_options(isolation_level="AUTOCOMMIT")
    outside.execute(text("create database migrations_test"))
    yield make_url(urls.migration).set(database="migrations_test").render_as_string(hide_password=False)
    outside.execute(text("drop database migrations_test with (force)"))


def test_the_tables_need_no_further_migration(urls: EngineUrls) -> None:
    command.check(alembic_config(urls.migration))


def test_upgrading_again_changes_nothing(urls: EngineUrls, owner: Connection) -> None:
    revisions = text("select version_num from alembic_version")
    before = owner.scalars(revisions).all()
    owner.commit()
    migrate(urls.migration)
    assert owner.scalars(revisions).all() == before
    assert len(before) == 1


def test_a_database_of_an_unknown_version_is_left_alone(empty: str) -> None:
    migrate(empty)
    engine = make_engine(empty, pool_size=1)
    with engine.begin() as connection:
        connection.execute(text("update alembic_version set version_num = '0018'"))
    with pytest.raises(Conflict, match=r"schema 0018.*empty data folder"):
        migrate(empty)
    with engine.connect() as connection:
        assert connection.scalar(text("select version_num from alembic_version")) == "0018"
    engine.dispose()


def test_the_migrations_are_one_line() -> None:
    script = ScriptDirectory.from_config(alembic_config("postgresql://nobody@127.0.0.1:1/none"))
    assert len(script.get_heads()) == 1
    assert len(script.get_bases()) == 1


def test_an_empty_database_can_be_filled_and_emptied(empty: str) -> None:
    migrate(empty)
    command.check(alembic_config(empty))
    command.downgrade(alembic_config(empty), "base")
    engine = make_engine(empty, pool_size=1)
    with engine.connect() as connection:
        left = connection.scalars(text("select tablename from pg_tables where schemaname = 'public'")).all()
    engine.dispose()
    assert left == ["alembic_version"]


def test_every_constraint_has_the_name_the_convention_gives(owner: Connection) -> None:
    found = owner.execute(
        text(
            "select conname, contype, conrelid::regclass::text from pg_constraint "
            "where connamespace = 'public'::regnamespace and contype in ('p', 'u', 'f', 'c') "
            "and conrelid <> 'alembic_version'::regclass"
        )
    ).all()
    prefixes = {"p": "pk", "u": "uq", "f": "fk", "c": "ck"}
    assert found
    assert [name for name, kind, table in found if not name.startswith(f"{prefixes[kind]}_{table}")] == []


def test_the_tables_constraints_are_all_named() -> None:
    unnamed = [
        f"{table.name}: {constraint}"
        for table in SQLModel.metadata.tables.values()
        for constraint in (*table.constraints, *table.indexes)
        if isinstance(constraint, Constraint | Index) and constraint.name is None
    ]
    assert unnamed == []


def test_ids_and_text_have_the_types_we_chose(owner: Connection) -> None:
    types = owner.execute(
        text(
            "select distinct data_type from information_schema.columns "
            "where table_schema = 'public' and table_name <> 'alembic_version'"
        )
    ).scalars()
    assert set(types) <= {
        "uuid",
        "text",
        "timestamp with time zone",
        "jsonb",
        "integer",
        "bigint",
        "boolean",
        "double precision",
        "bytea",
        "date",
    }


def test_who_waits_for_the_schema_goes_on_once_it_is_there(empty: str) -> None:
    stop, waited = threading.Event(), threading.Event()

    def wait() -> None:
        wait_for_schema(empty, stop)
        waited.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    try:
        assert not waited.wait(0.2)
        migrate(empty)
        assert waited.wait(30)
    finally:
        stop.set()
        waiting.join()

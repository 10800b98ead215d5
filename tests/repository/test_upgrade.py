"""Upgrades by expand and contract: data survives, the application of before goes on, nobody waits long for a lock."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import make_url

from tuneloop.kit.errors import Conflict, Unavailable
from tuneloop.kit.migrations import alembic_config, migrate, require_schema, wait_for_schema
from tuneloop_local.engines import EngineUrls

ROWS = (Path(__file__).parent / "first_rows.sql").read_text().splitlines()
"""A row of every table at the revision `first`, as its application wrote it."""

CONTRACTED = {"mail", "membership"}
"""Before the first release: no application of before is in use that would still write there."""


@pytest.fixture
def empty(urls: EngineUrls) -> Iterator[str]:
    with psycopg.connect(urls.migration, autocommit=True) as owner:
        owner.execute("create database upgrade_test")
        yield make_url(urls.migration).set(database="upgrade_test").render_as_string(hide_password=False)
        owner.execute("drop database upgrade_test with (force)")


def table_of(statement: str) -> str:
    found = re.match(r"INSERT INTO public\.(\w+)", statement)
    assert found is not None
    return found[1]


def counts(owner: psycopg.Connection) -> dict[str, int]:
    found = {}
    for table in {table_of(statement) for statement in ROWS}:
        row = owner.execute(f"select count(*) from {table}".encode()).fetchone()
        assert row is not None
        found[table] = int(row[0])
    return found


def load(owner: psycopg.Connection) -> set[str]:
    """Each row by itself; the tables that refused theirs. References are not looked at: rows come in any order."""
    refused = set()
    owner.execute("set session_replication_role = replica")
    for statement in ROWS:
        try:
            owner.execute(statement.encode())
        except psycopg.Error:
            refused.add(table_of(statement))
    return refused


def test_what_was_stored_at_the_first_revision_is_there_at_the_newest(empty: str) -> None:
    command.upgrade(alembic_config(empty), "first")
    with psycopg.connect(empty, autocommit=True) as owner:
        assert load(owner) == set()
        before = counts(owner)
        assert len(before) > 50
        migrate(empty)
        assert counts(owner) == before


def test_the_application_of_before_still_writes_to_the_newest_schema(empty: str) -> None:
    migrate(empty)
    with psycopg.connect(empty, autocommit=True) as owner:
        assert load(owner) <= CONTRACTED


def test_two_that_upgrade_at_once_do_it_once(empty: str) -> None:
    code = "import sys; from tuneloop.kit.migrations import migrate; migrate(sys.argv[1])"
    both = [subprocess.Popen([sys.executable, "-c", code, empty]) for _ in range(2)]
    assert [each.wait(120) for each in both] == [0, 0]
    require_schema(empty)


def test_a_lock_that_is_kept_for_long_is_given_way_to_and_named(empty: str) -> None:
    command.upgrade(alembic_config(empty), "first")
    with psycopg.connect(empty) as other:
        other.execute("lock table mail in share mode")
        with pytest.raises(Unavailable, match="pg_stat_activity"):
            migrate(empty, tries=1)
        with psycopg.connect(empty) as reader:
            assert reader.execute("select count(*) from mail").fetchone() == (0,)
    migrate(empty)
    require_schema(empty)


def test_a_process_does_not_start_on_a_schema_that_is_too_old(empty: str) -> None:
    with pytest.raises(Conflict, match="empty: run 'tuneloop migrate'"):
        require_schema(empty)
    command.upgrade(alembic_config(empty), "first")
    with pytest.raises(Conflict, match=r"schema first.*run 'tuneloop migrate' first"):
        require_schema(empty)
    migrate(empty)
    require_schema(empty)


def test_a_newer_schema_is_worked_with_as_long_as_it_has_only_grown(empty: str) -> None:
    migrate(empty)
    with psycopg.connect(empty, autocommit=True) as owner:
        owner.execute("update alembic_version set version_num = 'from_the_future'")
        require_schema(empty)
        owner.execute("update schema_floor set revision = 'from_the_future'")
        with pytest.raises(Conflict, match="run a newer version"):
            require_schema(empty)


def test_whoever_waits_for_a_schema_starts_on_a_newer_one_too_and_gives_up_where_it_can_t(empty: str) -> None:
    """An old pod that starts again after an upgrade waited for its own schema for ever."""
    stop = threading.Event()
    migrate(empty)
    wait_for_schema(empty, stop)
    with psycopg.connect(empty, autocommit=True) as owner:
        owner.execute("update alembic_version set version_num = 'from_the_future'")
        wait_for_schema(empty, stop)
        owner.execute("update schema_floor set revision = 'from_the_future'")
        with pytest.raises(Conflict, match="run a newer version"):
            wait_for_schema(empty, stop)


def test_a_database_that_is_away_is_waited_for_and_not_refused() -> None:
    require_schema("postgresql://nobody@127.0.0.1:1/none")


def test_the_floor_is_a_revision_that_this_version_knows(empty: str) -> None:
    migrate(empty)
    known = {each.revision for each in ScriptDirectory.from_config(alembic_config(empty)).walk_revisions()}
    with psycopg.connect(empty) as owner:
        row = owner.execute("select revision from schema_floor").fetchone()
    assert row is not None
    assert row[0] in known

"""A shell, and an agency that has everything in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from tests.cli.shell import Shell, Wire
from tests.support.factories import make_base, make_key
from tests.support.world import World, make_world
from tuneloop.kit.db import Database
from tuneloop.tables import Agency


@pytest.fixture
def shell(app: Litestar, database: Database, agency: Agency, tmp_path: Path) -> Iterator[Shell]:
    """With the key of an owner of `agency`."""
    with TestClient(app) as http:
        yield Shell(Wire(http), make_key(database, agency), tmp_path / "data")


@pytest.fixture
def world(database: Database, agency: Agency) -> World:
    """A client `acme` with a model `acme/support` and one row of every kind."""
    base = make_base(database)
    with database.all_agencies() as session:
        return make_world(session, agency, base, "acme")

"""The application over two agencies; what a test changes is undone after it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr
from sqlalchemy import Engine

from tests.support.worlds import Place, build
from tuneloop.kit.db import Database
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.web.app import create_app


@pytest.fixture(scope="package")
def place(engine: Engine) -> Iterator[Place]:
    with engine.connect() as connection, connection.begin() as transaction:
        yield Place(connection, build(Database(connection)))
        transaction.rollback()


@pytest.fixture(scope="package")
def site(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient[Litestar]]:
    folder: Path = tmp_path_factory.mktemp("site")
    storage = Storage((folder / "objects").as_uri(), cache=folder)
    settings = Settings(data_dir=folder, secret_key=SecretStr("a key of the tests"))
    with TestClient(create_app(settings, place.database, storage, lifespan=())) as http:
        yield http


@pytest.fixture
def undo(place: Place) -> Iterator[None]:
    with place.connection.begin_nested() as savepoint:
        yield
        savepoint.rollback()

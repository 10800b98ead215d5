"""A model to collect examples for, and what is often said to it."""

import pytest

from tests.support.factories import make_base, make_model
from tuneloop.kit.db import Database
from tuneloop.tables import BaseModel, Client, RegisteredModel


@pytest.fixture
def base(database: Database) -> BaseModel:
    return make_base(database)


@pytest.fixture
def model(database: Database, client_row: Client, base: BaseModel) -> RegisteredModel:
    return make_model(database, client_row, base)

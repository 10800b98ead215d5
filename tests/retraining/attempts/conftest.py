"""A model with golden examples enough for a gate that sees a loss."""

import pytest

from tests.support.cycles import Workshop, make_workshop
from tuneloop.kit.db import Database
from tuneloop.tables import Agency


@pytest.fixture
def workshop(database: Database, agency: Agency) -> Workshop:
    return make_workshop(database, agency, ["order"] * 60 + ["refund"] * 60)

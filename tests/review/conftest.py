"""A model in production, and its people."""

import pytest

from tests.review.traffic import Traffic, person
from tests.support.cycles import make_workshop
from tuneloop.kit.db import Database
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Agency


@pytest.fixture
def traffic(database: Database, session: TenantSession, agency: Agency) -> Traffic:
    workshop = make_workshop(database, agency, ["order"])
    return Traffic(workshop, workshop.version(session, "1.0"))


@pytest.fixture
def ann(agency: Agency) -> Principal:
    return person(agency, "Ann")


@pytest.fixture
def bob(agency: Agency) -> Principal:
    return person(agency, "Bob")

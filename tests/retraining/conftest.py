"""A model with a golden set of two categories."""

from pathlib import Path

import pytest

from tests.retraining.gating import Work, work
from tests.support.cycles import Workshop, make_workshop
from tests.support.factories import owner_of
from tuneloop.kit.db import Database
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import ActorKind, Agency, Role


@pytest.fixture
def workshop(database: Database, agency: Agency) -> Workshop:
    return make_workshop(database, agency, ["order", "refund"])


@pytest.fixture
def operator(agency: Agency) -> Principal:
    return Principal(agency.id, Role.OPERATOR, ActorKind.USER, None, "Otto Operator", "test")


@pytest.fixture
def owner(agency: Agency) -> Principal:
    return owner_of(agency)


@pytest.fixture
def at_work(database: Database, session: TenantSession, tmp_path: Path) -> Work:
    return lambda: work(database, session, tmp_path)

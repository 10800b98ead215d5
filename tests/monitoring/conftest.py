"""A version in production with an evaluation of 90 of 100."""

from datetime import timedelta

import pytest

from tests.monitoring.traffic import Traffic
from tests.support.cycles import Workshop, make_workshop
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.service import start_monitor
from tuneloop.registry.service import point
from tuneloop.tables import AdapterVersion, Agency, Alias

GOOD = 90


@pytest.fixture
def workshop(database: Database, agency: Agency) -> Workshop:
    return make_workshop(database, agency, ["order", "refund"] * 50)


@pytest.fixture
def version(session: TenantSession, workshop: Workshop) -> AdapterVersion:
    """In production and monitored, with 90 of 100 right in its evaluation."""
    version = workshop.version(session, "1.0")
    workshop.run(session, version, [True] * GOOD + [False] * (100 - GOOD))
    point(session, workshop.model, Alias.PRODUCTION, version.id)
    monitor = start_monitor(session, version)
    assert monitor is not None
    monitor.read_until = now() - timedelta(days=7)
    return version


@pytest.fixture
def traffic(session: TenantSession, workshop: Workshop, version: AdapterVersion) -> Traffic:
    return Traffic(session, workshop, version)

"""Moving production: promote, roll back, roll forward; each is one transaction that tells the gateways."""

import psycopg
import pytest
from sqlalchemy import Engine
from sqlmodel import col, select

from tests.support.committed import committed_agency
from tests.support.cycles import Workshop, make_workshop
from tests.support.factories import owner_of
from tuneloop.deployment.service import deploy, roll_back
from tuneloop.gateway.route_changes import CHANNEL
from tuneloop.kit.db import Database
from tuneloop.kit.errors import Conflict, InvalidInput, NotAllowed
from tuneloop.kit.ids import new_id
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.service import aliases, point
from tuneloop.tables import (
    ActorKind,
    AdapterVersion,
    Agency,
    Alias,
    AuditEvent,
    CycleState,
    Monitor,
    RetrainingCycle,
    Role,
)
from tuneloop_local.engines import EngineUrls


@pytest.fixture
def workshop(database: Database, agency: Agency) -> Workshop:
    return make_workshop(database, agency, ["order", "refund"])


@pytest.fixture
def versions(session: TenantSession, workshop: Workshop) -> list[AdapterVersion]:
    """v1.0 and v1.1, evaluated."""
    made = [workshop.version(session, number) for number in ("1.0", "1.1")]
    for version in made:
        workshop.run(session, version, [True, False])
    return made


def _serving(session: TenantSession, workshop: Workshop) -> dict[str, str]:
    return {alias.value: version.number for alias, version in aliases(session, workshop.model.id).items()}


def _cycle_of(session: TenantSession, workshop: Workshop, version: AdapterVersion) -> RetrainingCycle:
    cycle = workshop.cycle(session, CycleState.DEPLOYED)
    cycle.candidate_version_id = version.id
    return cycle


def test_the_first_deployment_has_nothing_to_go_back_to(
    session: TenantSession, workshop: Workshop, versions: list[AdapterVersion], principal: Principal
) -> None:
    deploy(session, principal=principal, model=workshop.model, version=versions[0])
    assert _serving(session, workshop) == {"production": "1.0"}
    with pytest.raises(InvalidInput, match="no previous version"):
        roll_back(session, principal=principal, model=workshop.model, digest=versions[0].digest)


def test_a_deployment_keeps_the_version_before_and_ends_the_candidacy(
    session: TenantSession, workshop: Workshop, versions: list[AdapterVersion], principal: Principal
) -> None:
    deploy(session, principal=principal, model=workshop.model, version=versions[0])
    point(session, workshop.model, Alias.CANDIDATE, versions[1].id)
    deploy(session, principal=principal, model=workshop.model, version=versions[1])
    assert _serving(session, workshop) == {"production": "1.1", "previous": "1.0"}
    event = session.exec(select(AuditEvent).order_by(col(AuditEvent.at).desc())).first()
    assert event is not None
    assert (event.action, event.detail["digest"], event.detail["before"]) == (
        "version.deploy",
        versions[1].digest,
        versions[0].digest,
    )


def test_another_candidate_stays_one(
    session: TenantSession, workshop: Workshop, versions: list[AdapterVersion], principal: Principal
) -> None:
    point(session, workshop.model, Alias.CANDIDATE, versions[1].id)
    deploy(session, principal=principal, model=workshop.model, version=versions[0])
    assert _serving(session, workshop) == {"production": "1.0", "candidate": "1.1"}


def test_the_same_digest_is_not_deployed_twice(
    session: TenantSession, workshop: Workshop, versions: list[AdapterVersion], principal: Principal
) -> None:
    deploy(session, principal=principal, model=workshop.model, version=versions[0])
    deploy(session, principal=principal, model=workshop.model, version=versions[1])
    with pytest.raises(Conflict, match=r"v1\.1 is in production already"):
        deploy(session, principal=principal, model=workshop.model, version=versions[1])
    assert _serving(session, workshop) == {"production": "1.1", "previous": "1.0"}


def test_rolling_back_and_forward_marks_the_cycle(
    session: TenantSession, workshop: Workshop, versions: list[AdapterVersion], principal: Principal
) -> None:
    cycles = [_cycle_of(session, workshop, version) for version in versions]
    for version in versions:
        deploy(session, principal=principal, model=workshop.model, version=version)
    back = roll_back(session, principal=principal, model=workshop.model, digest=versions[0].digest)
    assert back.number == "1.0"
    assert _serving(session, workshop) == {"production": "1.0", "previous": "1.1"}
    assert [cycle.state for cycle in cycles] == [CycleState.DEPLOYED, CycleState.ROLLED_BACK]
    forward = roll_back(session, principal=principal, model=workshop.model, digest=versions[1].digest)
    assert forward.number == "1.1"
    assert _serving(session, workshop) == {"production": "1.1", "previous": "1.0"}
    assert [cycle.state for cycle in cycles] == [CycleState.DEPLOYED, CycleState.DEPLOYED]


def test_a_viewer_rolls_nothing_back(
    session: TenantSession, workshop: Workshop, versions: list[AdapterVersion], agency: Agency
) -> None:
    viewer = Principal(agency.id, Role.VIEWER, ActorKind.USER, None, "Vera", "test")
    with pytest.raises(NotAllowed):
        roll_back(session, principal=viewer, model=workshop.model, digest="0" * 64)


def test_a_second_click_on_rollback_changes_nothing(
    session: TenantSession, workshop: Workshop, versions: list[AdapterVersion], principal: Principal
) -> None:
    for version in versions:
        deploy(session, principal=principal, model=workshop.model, version=version)
    roll_back(session, principal=principal, model=workshop.model, digest=versions[0].digest)
    with pytest.raises(Conflict, match="not the one named"):
        roll_back(session, principal=principal, model=workshop.model, digest=versions[0].digest)
    assert _serving(session, workshop) == {"production": "1.0", "previous": "1.1"}


def test_a_deployed_version_is_monitored_from_its_own_evaluation(
    session: TenantSession, workshop: Workshop, versions: list[AdapterVersion], principal: Principal
) -> None:
    for version in (versions[0], versions[1], versions[0]):
        deploy(session, principal=principal, model=workshop.model, version=version)
    monitors = session.exec(select(Monitor)).all()
    assert sorted(monitor.version_id for monitor in monitors) == sorted(version.id for version in versions)


def test_the_gateways_hear_of_it_when_it_is_committed(engine: Engine, urls: EngineUrls) -> None:
    with committed_agency(engine, urls) as (database, agency), psycopg.connect(urls.database, autocommit=True) as ear:
        workshop = make_workshop(database, agency, ["order"], base=f"base-{new_id()}")
        with database.unit(agency.id) as session:
            version = workshop.version(session, "1.0")
            workshop.run(session, version, [True])
        ear.execute(f"listen {CHANNEL}")
        with database.unit(agency.id) as session:
            deploy(session, principal=owner_of(agency), model=workshop.model, version=version)
            session.flush()
            assert list(ear.notifies(timeout=0)) == []
        assert len(list(ear.notifies(timeout=5, stop_after=1))) == 1

"""A promotion against the gate names who did it and why, with the cycle and with the version."""

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlmodel import select

from tests.support.cycles import Workshop
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.overrides import override_of, override_of_version
from tuneloop.retraining.service import approve_promotion
from tuneloop.stats.outcome import Outcome
from tuneloop.tables import Comparison, RetrainingCycle


def promoted(session: TenantSession, workshop: Workshop, owner: Principal, outcome: Outcome) -> RetrainingCycle:
    cycle_id = workshop.judged(session, outcome)
    comparison = session.exec(select(Comparison).where(Comparison.cycle_id == cycle_id)).one()
    return approve_promotion(
        session, principal=owner, cycle_id=cycle_id, digest=comparison.candidate_digest, note="the client insists"
    )


@pytest.mark.parametrize("outcome", [Outcome.REJECT, Outcome.NEED_MORE_LABELS])
def test_an_override_is_told_with_cycle_and_version(
    session: TenantSession, workshop: Workshop, owner: Principal, api: TestClient[Litestar], outcome: Outcome
) -> None:
    cycle = promoted(session, workshop, owner, outcome)
    found = api.get(f"/api/v1/cycles/{cycle.id}").json()["override"]
    assert (found["by"], found["reason"], found["outcome"]) == (owner.name, "the client insists", outcome)
    versions = api.get("/api/v1/models/acme/support/versions").json()
    assert [version["override"] for version in versions] == [None, found]
    assert api.get("/api/v1/models/acme/support/versions/v1.1").json()["override"] == found


def test_a_promotion_with_the_gate_is_none(session: TenantSession, workshop: Workshop, owner: Principal) -> None:
    cycle = promoted(session, workshop, owner, Outcome.PROMOTE)
    assert cycle.candidate_version_id is not None
    assert override_of(session, cycle.id) is None
    assert override_of_version(session, cycle.candidate_version_id) is None


def test_nobody_has_overridden_what_is_only_asked(session: TenantSession, workshop: Workshop) -> None:
    assert override_of(session, workshop.judged(session, Outcome.REJECT)) is None

"""Nobody whom a policy binds loosens it: who may, that it is audited and told, and that open questions keep theirs."""

from collections.abc import Mapping
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr
from sqlmodel import select

import tuneloop.people.handlers  # noqa: F401  (registers the handler)
from tests.support.cycles import PLAN, Workshop
from tests.support.factories import make_key, owner_of
from tests.support.runtime import silent_runtime
from tuneloop.kit.db import Database
from tuneloop.kit.errors import NotAllowed
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import JobRow
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.registry.policy import Policy
from tuneloop.registry.policy_change import LOOSER_WHEN_LARGER, LOOSER_WHEN_SMALLER, loosenings
from tuneloop.registry.service import change_model
from tuneloop.retraining.approvals import questions
from tuneloop.retraining.service import approve_retrain
from tuneloop.tables import (
    ActorKind,
    Agency,
    AuditEvent,
    Client,
    CycleState,
    Mail,
    Plan,
    RegisteredModel,
    Role,
)

Http = TestClient[Litestar]
STRICT = {"approvals_needed": 2, "four_eyes": True}


@pytest.fixture
def model(database: Database, workshop: Workshop) -> RegisteredModel:
    with database.unit(workshop.agency.id) as session:
        session.get_one(RegisteredModel, workshop.model.id).policy = STRICT
    return workshop.model


def changed(app: Litestar, key: str, policy: Mapping[str, Any]) -> int:
    with TestClient(app) as http:
        http.headers["Authorization"] = f"Bearer {key}"
        return http.patch("/api/v1/models/acme/support", json={"policy": policy}).status_code


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        ({"approvals_needed": 1}, {Role.OWNER}),
        ({"approvals_needed": None}, {Role.OWNER}),
        ({"four_eyes": False}, {Role.OWNER}),
        ({"service_keys_approve": True}, {Role.OWNER}),
        ({"overall_margin": 0.3}, {Role.OWNER, Role.ADMIN}),
        ({"worthwhile_gain": 0.01}, {Role.OWNER, Role.ADMIN}),
        ({"gate_share": 0.0}, {Role.OWNER, Role.ADMIN}),
        ({"approvals_needed": 3}, {Role.OWNER, Role.ADMIN, Role.OPERATOR}),
        ({"overall_margin": 0.01}, {Role.OWNER, Role.ADMIN, Role.OPERATOR}),
        ({"review_budget": 50}, {Role.OWNER, Role.ADMIN, Role.OPERATOR}),
    ],
)
def test_who_may_change_what(
    app: Litestar, database: Database, agency: Agency, policy: dict[str, Any], allowed: set[Role]
) -> None:
    keys: dict[str, str] = {
        "of one client": make_key(database, agency, role=Role.OPERATOR, client="acme"),
        **{role: make_key(database, agency, role=role) for role in (Role.OPERATOR, Role.ADMIN, Role.OWNER)},
    }
    found = {who: changed(app, key, policy) for who, key in keys.items()}
    assert found == {who: 200 if who in allowed else 403 for who in keys}


@pytest.mark.usefixtures("model")
def test_what_a_change_leaves_out_stays(app: Litestar, api: Http, database: Database, agency: Agency) -> None:
    """Changing one figure took the four eyes away without a word."""
    assert changed(app, make_key(database, agency, role=Role.OPERATOR), {"review_budget": 50}) == 200
    policy = api.get("/api/v1/models/acme/support").json()["policy"]
    assert (policy["approvals_needed"], policy["four_eyes"], policy["review_budget"]) == (2, True, 50)


def test_a_model_does_not_begin_with_a_looser_policy(
    app: Litestar, database: Database, agency: Agency, workshop: Workshop
) -> None:
    with database.unit(agency.id) as session:
        session.get_one(Client, workshop.client.id).plan = Plan.PREMIUM
    body = {
        "slug": "second",
        "base": workshop.base.name,
        "contract": workshop.model.contract,
        "policy": {"approvals_needed": 1},
    }
    with TestClient(app) as http:
        for role, status in ((Role.OPERATOR, 403), (Role.ADMIN, 403), (Role.OWNER, 201)):
            http.headers["Authorization"] = f"Bearer {make_key(database, agency, role=role)}"
            assert http.post("/api/v1/models/acme", json=body).status_code == status


def test_an_owner_s_key_that_is_nobody_s_loosens_nothing(
    database: Database, agency: Agency, model: RegisteredModel
) -> None:
    nobody = Principal(agency.id, Role.OWNER, ActorKind.API_KEY, new_id(), "deploy bot", "api")
    with database.unit(agency.id) as session:
        found = session.get_one(RegisteredModel, model.id)
        with pytest.raises(NotAllowed, match="only an owner of the agency"):
            change_model(session, principal=nobody, model=found, contract=None, policy=Policy(approvals_needed=1))


def test_what_was_loosened_is_audited_and_told_and_open_questions_keep_theirs(
    api: Http, database: Database, agency: Agency, workshop: Workshop, model: RegisteredModel, storage: Storage
) -> None:
    with database.unit(agency.id) as session:
        cycle_id = workshop.asked(session)
    loosened = api.patch("/api/v1/models/acme/support", json={"policy": {"approvals_needed": 1, "four_eyes": False}})
    assert loosened.status_code == 200
    with database.unit(agency.id) as session:
        (question,) = questions(session, cycle_id)
        assert (question.approvals_needed, question.four_eyes) == (2, True)
        assert approve_retrain(
            session, principal=owner_of(agency), cycle_id=cycle_id, digest=PLAN
        ).state is CycleState.PROPOSED  # fmt: skip
        (event,) = session.exec(select(AuditEvent).where(AuditEvent.action == "policy.loosen")).all()
        assert event.detail["changes"] == ["approvals_needed: 2 → 1", "four_eyes: on → off"]
        job = session.exec(select(JobRow).where(JobRow.name == "policy.tell")).one()
    silent_runtime(database, storage, Settings(secret_key=SecretStr("a test's"))).run(job.id)
    with database.unit(agency.id) as session:
        (mail,) = session.exec(select(Mail)).all()
    assert mail.recipient_email == "olga.owner@north.example"
    assert mail.subject == "acme/support: policy loosened by Olga Owner (key key)"
    assert "- approvals_needed: 2 → 1" in mail.text


def test_every_threshold_says_which_way_is_looser() -> None:
    """A new field of the policy is in one of the lists, or nobody is bound by it."""
    free = {"review_budget", "label_budget", "rolling_weeks", "approval_hours", "keep_predictions_days"}
    approvals = {"approvals_needed", "four_eyes", "service_keys_approve"}
    assert set(Policy.model_fields) == {*LOOSER_WHEN_LARGER, *LOOSER_WHEN_SMALLER, *free, *approvals}


@pytest.mark.parametrize("rule", [*LOOSER_WHEN_LARGER, *LOOSER_WHEN_SMALLER])
def test_a_rule_is_loosened_in_one_direction(rule: str) -> None:
    low, high = (Policy.model_validate({rule: _between(rule, share)}) for share in (0.4, 0.6))
    larger = [each.rule for each in loosenings(low, high, plan=1)]
    smaller = [each.rule for each in loosenings(high, low, plan=1)]
    assert (larger, smaller) == (([rule], []) if rule in LOOSER_WHEN_LARGER else ([], [rule]))


def _between(rule: str, share: float) -> float:
    return round(1000 * share) if rule.endswith("queries") else share / 2

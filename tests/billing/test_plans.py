"""Plans are the agency's own; what they don't include is offered at a price, never done or refused silently."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlmodel import col, select

from tests.billing.conftest import OnPlan
from tests.support.cycles import Workshop, make_workshop
from tests.support.factories import SUPPORT, make_key
from tuneloop.clients.dunning import STEPS
from tuneloop.clients.entitlements import NotIncluded, Suspended, allowance, contract_of, quorum, require
from tuneloop.clients.months import Month
from tuneloop.clients.offers import offer
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.jobs import JobRow, JobState
from tuneloop.registry.service import point
from tuneloop.tables import (
    Agency,
    Alias,
    CycleState,
    Example,
    Feature,
    Pool,
    RetrainingCycle,
    Role,
    ServiceUse,
    Source,
    Subscription,
    SubscriptionState,
    Unit,
    UsageRecord,
    UseState,
)
from tuneloop_billing.jobs import SyncSubscription
from tuneloop_billing.month_end.statement import billable

Http = TestClient[Litestar]
PLAN = "/api/v1/clients/acme/plan"


@pytest.fixture
def workshop(database: Database, agency: Agency) -> Workshop:
    """Acme's model in production, with examples to train on."""
    shop = make_workshop(database, agency, ["order", "refund"])
    with database.unit(agency.id) as session:
        point(session, shop.model, Alias.PRODUCTION, shop.version(session, "1.0").id)
        session.add(
            Example(
                client_id=shop.client.id,
                model_id=shop.model.id,
                pool=Pool.TRAINING,
                messages=[{"role": "user", "content": "other"}],
                expected="order",
                category="order",
                source=Source.IMPORT,
                content_hash="a" * 64,
                minhash=b"",
                checked_at=now(),
            )
        )
    return shop


@pytest.fixture
def client_row(workshop: Workshop) -> Any:
    return workshop.client


def propose(api: Http) -> Any:
    return api.post("/api/v1/models/acme/support/cycles", json={})


def end(database: Database, agency: Agency, state: CycleState) -> None:
    with database.unit(agency.id) as session:
        for cycle in session.exec(select(RetrainingCycle).where(RetrainingCycle.state == CycleState.PROPOSED)):
            cycle.state = state


def test_the_templates_are_the_three_tiers(api: Http) -> None:
    for tier in ("basic", "standard", "premium"):
        assert api.post("/api/v1/plans", json={"slug": tier, "tier": tier}).status_code == 201
    plans = api.get("/api/v1/plans").json()
    assert [(plan["slug"], plan["price"], plan["currency"]) for plan in plans] == [
        ("basic", 75_000, "usd"),
        ("standard", 200_000, "usd"),
        ("premium", 400_000, "usd"),
    ]
    assert [plan["entitlements"]["retrains"] for plan in plans] == [0, 1, 3]
    assert [plan["entitlements"]["quorum"] for plan in plans] == [1, 1, 2]


def test_an_agency_sets_its_own_price_currency_and_contents(api: Http) -> None:
    body = {"slug": "gold", "tier": "premium", "price": 550_000, "currency": "eur", "extras": {"retrain": 40_000}}
    plan = api.post("/api/v1/plans", json=body | {"entitlements": {"retrains": 4, "quorum": 3}}).json()
    assert (plan["price"], plan["currency"], plan["extras"]) == (550_000, "eur", {"retrain": 40_000})
    assert (plan["entitlements"]["retrains"], plan["entitlements"]["quorum"]) == (4, 3)
    changed = api.patch("/api/v1/plans/gold", json={"price": 600_000}).json()
    assert (changed["price"], changed["entitlements"]["retrains"]) == (600_000, 4)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"slug": "x", "tier": "gold"}, 400),
        ({"slug": "x", "tier": "basic", "price": -1}, 400),
        ({"slug": "x", "tier": "basic", "price": 10.5}, 400),
        ({"slug": "x", "tier": "basic", "currency": "euro"}, 400),
        ({"slug": "x", "tier": "basic", "currency": "eur"}, 422),
        ({"slug": "x", "tier": "basic", "entitlements": {"wishes": 3}}, 400),
        ({"slug": "x", "tier": "basic", "extras": {"monitoring": 1}}, 422),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(api: Http, body: dict[str, Any], status: int) -> None:
    assert api.post("/api/v1/plans", json=body).status_code == status


def test_a_client_without_subscription_is_not_limited(api: Http, workshop: Workshop) -> None:
    assert propose(api).status_code == 201
    assert api.get(PLAN).status_code == 404


def test_a_retrain_beyond_the_plan_is_offered_and_done_once_ordered(
    api: Http, on_plan: OnPlan, database: Database, agency: Agency
) -> None:
    on_plan("standard")
    assert propose(api).status_code == 201
    end(database, agency, CycleState.DEPLOYED)
    refused = propose(api)
    assert refused.status_code == 402
    error = refused.json()["error"]
    assert error["code"] == "not_included"
    assert (error["details"]["price"], error["details"]["currency"]) == (70_000, "usd")
    assert "it can be ordered for 700.00 USD: tuneloop plan extra acme retrain" in error["message"]

    asked = api.post("/api/v1/clients/acme/extras", json={"feature": "retrain"})
    assert (asked.status_code, asked.json()["error"]["code"]) == (409, "confirmation_needed")
    assert "one extra retrain for 700.00 USD" in asked.json()["error"]["message"]
    agreed = asked.json()["error"]["details"]["confirm"]
    assert api.post("/api/v1/clients/acme/extras", json={"feature": "retrain", "agreed_price": 1}).status_code == 409
    assert api.get("/api/v1/clients/acme/extras").json() == []
    (ordered,) = api.post("/api/v1/clients/acme/extras", json={"feature": "retrain"} | agreed).json()
    assert (ordered["state"], ordered["unit_price"]) == ("accepted", 70_000)
    assert propose(api).status_code == 201
    (used,) = api.get("/api/v1/clients/acme/extras").json()
    assert (used["state"], used["subject"].split(":")[0]) == ("used", "cycle")
    end(database, agency, CycleState.DEPLOYED)
    assert propose(api).status_code == 402


def test_a_retrain_that_came_to_nothing_uses_up_nothing(
    api: Http, on_plan: OnPlan, database: Database, agency: Agency
) -> None:
    on_plan("standard")
    for _ in range(3):
        assert propose(api).status_code == 201
        end(database, agency, CycleState.REJECTED)
    api.post("/api/v1/clients/acme/extras", json={"feature": "retrain", "agreed_price": 70_000})
    assert propose(api).status_code == 201
    end(database, agency, CycleState.DEPLOYED)
    assert propose(api).status_code == 201
    end(database, agency, CycleState.FAILED)
    assert propose(api).status_code == 201
    (extra,) = api.get("/api/v1/clients/acme/extras").json()
    assert extra["state"] == "used"


def test_the_basic_plan_has_no_retrain_but_says_what_one_costs(api: Http, on_plan: OnPlan) -> None:
    found = on_plan("basic")
    retrain = next(each for each in found["allowances"] if each["feature"] == "retrain")
    assert retrain == {
        "feature": "retrain",
        "allowed": False,
        "included": 0,
        "used": 0,
        "left": 0,
        "price": 90_000,
        "suspension": None,
    }
    assert propose(api).status_code == 402


def test_what_has_no_price_can_t_be_ordered(api: Http, on_plan: OnPlan) -> None:
    on_plan("basic")
    api.patch("/api/v1/plans/basic", json={"extras": {"labels": 100}})
    answer = api.post("/api/v1/clients/acme/extras", json={"feature": "retrain"})
    assert answer.status_code == 422
    assert "no price for an extra retrain" in answer.json()["error"]["message"]
    assert "has no price for extra ones" in propose(api).json()["error"]["message"]
    assert api.post("/api/v1/clients/acme/extras", json={"feature": "gpu_minutes"}).status_code == 422


def test_what_the_plan_includes_is_used_before_any_extra_is_billed(
    api: Http, on_plan: OnPlan, workshop: Workshop, database: Database, agency: Agency
) -> None:
    """Ten labels were billed although 32 of the included ones were left, and "GPU 0 of 720" stood beside 16 minutes."""
    on_plan("standard")
    order = {"feature": "labels", "quantity": 10}
    asked = api.post("/api/v1/clients/acme/extras", json=order).json()["error"]
    assert "10 extra labels (160 of this month's 160 in the plan are left, and used first)" in asked["message"]
    api.post("/api/v1/clients/acme/extras", json=order | asked["details"]["confirm"])
    month = Month.of(now(), ZoneInfo("UTC"))
    span = month.span(ZoneInfo("UTC"))
    with database.unit(agency.id) as session:
        contract = contract_of(session, workshop.client.id)
        assert contract is not None
        for given, due, left in ((128, [], [10]), (160, [], [10]), (163, [3], [7]), (163, [3], [7])):
            used = UsageRecord(client_id=workshop.client.id, month=str(month), unit=Unit.LABELS, quantity=given)
            found = billable(session, contract, span, {Unit.LABELS: used})
            assert [use.quantity for use in found] == due, given
            session.flush()
            rest = session.exec(select(ServiceUse).where(col(ServiceUse.id).not_in([use.id for use in found]))).all()
            assert [(use.quantity, use.state) for use in rest] == [(each, UseState.ACCEPTED) for each in left], given
        session.add(
            JobRow(
                client_id=workshop.client.id,
                name="retraining.train",
                queue="gpu",
                args={},
                max_attempts=1,
                state=JobState.SUCCEEDED,
                started_at=now() - timedelta(minutes=16),
                finished_at=now() - timedelta(milliseconds=10),
            )
        )
    minutes = next(each for each in api.get(PLAN).json()["allowances"] if each["feature"] == "gpu_minutes")
    assert (minutes["included"], minutes["used"], minutes["left"]) == (240, 16, 224)


def test_an_offer_is_decided_once(
    api: Http, on_plan: OnPlan, workshop: Workshop, database: Database, agency: Agency
) -> None:
    on_plan("basic")
    with database.unit(agency.id) as session:
        offers = [
            offer(session, client_id=workshop.client.id, feature=Feature.RETRAIN, reason="accuracy fell")
            for _ in range(2)
        ]
        assert offers[0] is not None
        assert offers[0] is offers[1]
    path = f"/api/v1/offers/{offers[0].id}/accept"
    agreed = api.post(path, json={}).json()["error"]["details"]["confirm"]
    assert agreed == {"agreed_price": 90_000}
    assert api.post(path, json=agreed).json()["state"] == "accepted"
    late = api.post(f"/api/v1/offers/{offers[0].id}/decline")
    assert late.status_code == 409
    assert propose(api).status_code == 201


def test_an_upgrade_holds_at_once_and_a_downgrade_at_the_end_of_the_period(api: Http, on_plan: OnPlan) -> None:
    on_plan("standard")
    assert on_plan("premium")["plan"] == "premium"
    assert api.get("/api/v1/clients/acme").json()["plan"] == "premium"
    down = on_plan("basic")
    assert (down["plan"], down["next_plan"]) == ("premium", "basic")
    assert api.get("/api/v1/clients/acme").json()["plan"] == "premium"
    assert on_plan("premium")["next_plan"] is None
    assert api.put(PLAN, json={"plan": "premium"}).status_code == 409


def test_every_change_is_sent_to_stripe_once(api: Http, on_plan: OnPlan, database: Database, agency: Agency) -> None:
    on_plan("standard", trial_days=14)
    on_plan("premium")
    with database.unit(agency.id) as session:
        jobs = session.exec(select(JobRow).where(JobRow.name == SyncSubscription.name)).all()
        subscription = session.exec(select(Subscription)).one()
    assert [job.dedupe_key for job in jobs] == [f"billing.sync:{subscription.id}:{n}" for n in (1, 2)]


def test_a_subscription_starts_with_its_trial(on_plan: OnPlan) -> None:
    found = on_plan("premium", trial_days=14)
    assert found["state"] == "trial"
    trial = datetime.fromisoformat(found["trial_ends_at"]) - datetime.fromisoformat(found["state_since"])
    assert trial == timedelta(days=14)


def test_pause_resume_and_cancel(api: Http, on_plan: OnPlan) -> None:
    on_plan("standard")
    assert api.post(f"{PLAN}/pause").json()["state"] == "paused"
    held = propose(api)
    assert (held.status_code, held.json()["error"]["code"]) == (402, "suspended")
    assert "models keep serving and data is kept" in held.json()["error"]["message"]
    assert api.post(f"{PLAN}/pause").status_code == 409
    assert api.post(f"{PLAN}/resume").json()["state"] == "active"
    asked = api.post(f"{PLAN}/cancel", json={}).json()["error"]
    assert (asked["code"], asked["details"]["confirm"]) == ("confirmation_needed", {"confirmed": True})
    assert "ends acme's subscription to Standard retrain (2,000.00 USD per month)" in asked["message"]
    assert api.get(PLAN).json()["cancel_at_period_end"] is False
    assert api.post(f"{PLAN}/cancel", json={"confirmed": True}).json()["cancel_at_period_end"] is True
    assert propose(api).status_code == 201
    assert api.post(f"{PLAN}/resume").json()["cancel_at_period_end"] is False
    assert api.post(f"{PLAN}/cancel", json={"at_once": True, "confirmed": True}).json()["state"] == "cancelled"
    assert api.post(f"{PLAN}/resume").status_code == 409
    assert on_plan("basic")["state"] == "active"


@pytest.mark.parametrize(
    ("days", "step", "held"),
    [
        (0, "grace", set()),
        (6, "grace", set()),
        (7, "no new work", {"retrain", "ab_test", "new_category"}),
        (14, "alerts only", {"retrain", "ab_test", "new_category", "labels", "report"}),
        (28, "serving only", {feature.value for feature in Feature}),
        (400, "serving only", {feature.value for feature in Feature}),
    ],
)
def test_an_unpaid_subscription_degrades_in_stated_steps(
    api: Http, on_plan: OnPlan, database: Database, agency: Agency, days: int, step: str, held: set[str]
) -> None:
    on_plan("standard")
    with database.unit(agency.id) as session:
        subscription = session.exec(select(Subscription)).one()
        subscription.state = SubscriptionState.PAST_DUE
        subscription.state_since = now() - timedelta(days=days, minutes=1)
    found = api.get(PLAN).json()
    assert found["dunning"]["step"] == step
    assert {each["feature"] for each in found["allowances"] if each["suspension"]} == held
    assert (found["dunning"]["next_step"] is None) == (step == STEPS[-1].name)
    assert propose(api).status_code == (402 if "retrain" in held else 201)


def test_one_subject_takes_one_unit(on_plan: OnPlan, workshop: Workshop, database: Database, agency: Agency) -> None:
    on_plan("premium")
    with database.unit(agency.id) as session:
        for _ in range(5):
            require(session, client_id=workshop.client.id, feature=Feature.AB_TEST, subject="a")
        require(session, client_id=workshop.client.id, feature=Feature.AB_TEST, subject="b")
        with pytest.raises(NotIncluded, match=r"all 2 of this month are used\); it can be ordered for 300.00 USD"):
            require(session, client_id=workshop.client.id, feature=Feature.AB_TEST, subject="c")
        next_month = now() + timedelta(days=32)
        assert require(session, client_id=workshop.client.id, feature=Feature.AB_TEST, subject="c", moment=next_month)
        assert allowance(session, workshop.client.id, Feature.AB_TEST, moment=next_month).left == 1
        assert quorum(session, workshop.client.id) == 2


def test_a_label_added_in_production_is_a_category_of_the_plan(
    api: Http, on_plan: OnPlan, workshop: Workshop, database: Database, agency: Agency
) -> None:
    """Before the first version is deployed the labels are only being set up."""
    on_plan("standard")
    contract = SUPPORT.model_dump(mode="json")

    def change(*labels: str) -> Any:
        body = {"contract": contract | {"labels": [*SUPPORT.labels, *labels]}}
        return api.patch("/api/v1/models/acme/support", json=body)

    with database.unit(agency.id) as session:
        point(session, workshop.model, Alias.PRODUCTION, None)
    assert change("gift").status_code == 200
    with database.unit(agency.id) as session:
        point(session, workshop.model, Alias.PRODUCTION, workshop.version(session, "1.7").id)
    refused = change("gift", "exchange")
    assert refused.status_code == 402
    assert "tuneloop plan extra acme new_category" in refused.json()["error"]["message"]
    extra = {"feature": "new_category", "agreed_price": refused.json()["error"]["details"]["price"]}
    assert api.post("/api/v1/clients/acme/extras", json=extra).status_code == 201
    for _ in range(2):
        assert change("gift", "exchange").status_code == 200
    assert change("gift", "exchange", "praise").status_code == 402
    (used,) = api.get("/api/v1/clients/acme/extras").json()
    assert (used["state"], used["subject"].split(":")[0]) == ("used", "category")


def test_what_is_suspended_can_t_be_bought(
    on_plan: OnPlan, workshop: Workshop, database: Database, agency: Agency
) -> None:
    on_plan("standard")
    with database.unit(agency.id) as session:
        session.add(
            ServiceUse(client_id=workshop.client.id, feature=Feature.RETRAIN, state=UseState.ACCEPTED, extra=True)
        )
        subscription = session.exec(select(Subscription)).one()
        subscription.state = SubscriptionState.PAUSED
        session.flush()
        with pytest.raises(Suspended):
            require(session, client_id=workshop.client.id, feature=Feature.RETRAIN, subject="x")


def test_a_plan_in_use_can_t_be_archived(api: Http, on_plan: OnPlan) -> None:
    on_plan("basic")
    assert api.delete("/api/v1/plans/basic").status_code == 409
    api.post("/api/v1/plans", json={"slug": "other", "tier": "basic"})
    assert api.delete("/api/v1/plans/other").json()["archived_at"] is not None
    assert api.put(PLAN, json={"plan": "other"}).status_code == 422


def test_only_an_admin_changes_plans(api: Http, on_plan: OnPlan, database: Database, agency: Agency) -> None:
    on_plan("basic")
    api.headers["Authorization"] = f"Bearer {make_key(database, agency, role=Role.OPERATOR)}"
    assert api.patch("/api/v1/plans/basic", json={"price": 1}).status_code == 403
    assert api.put(PLAN, json={"plan": "basic"}).status_code == 403

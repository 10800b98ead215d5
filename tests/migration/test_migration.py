"""What is done of a migration is read from the rows, and so is what it saves."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr

from tests.support.factories import SUPPORT, make_base, make_model
from tests.support.hosted import bring_hosted, example_of
from tests.support.openai_account import KEY, LAST_DAY, TUNED
from tuneloop.datasets.service import take_snapshot
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.migration.service import read_migration
from tuneloop.migration.steps import MigrationStep
from tuneloop.registry.external import Terms, Tried, find_endpoint
from tuneloop.registry.external_probe import Service
from tuneloop.registry.service import point
from tuneloop.tables import (
    AdapterVersion,
    Alias,
    Client,
    Comparison,
    CycleState,
    EvalRun,
    Pool,
    Prediction,
    RegisteredModel,
    RetrainingCycle,
    Snapshot,
    Trigger,
)

PATH = "/api/v1/models/acme/support/migration"
SETTINGS = Settings(secret_key=SecretStr("a key"))
PRICES = Terms(input_price=Decimal("0.30"), output_price=Decimal("1.20"))


@pytest.fixture
def model(database: Database, client_row: Client) -> RegisteredModel:
    return make_model(database, client_row, make_base(database), contract=SUPPORT)


@pytest.fixture
def version(database: Database, principal: Principal, model: RegisteredModel) -> AdapterVersion:
    tried = Tried(Service("https://api.openai.com/v1", TUNED, KEY), True, LAST_DAY)
    with database.unit(model.agency_id) as session:
        return bring_hosted(session, principal=principal, model=model, tried=tried, settings=SETTINGS, terms=PRICES)


def done(found: dict[str, Any]) -> list[str]:
    return [step["key"] for step in found["steps"] if step["done"]]


def test_without_a_hosted_model_it_begins_with_bringing_one(api: TestClient[Litestar], model: RegisteredModel) -> None:
    found = api.get(PATH).json()
    assert (found["next"], found["hosted"], done(found)) == ("service", None, [])
    refused = api.post(f"{PATH}/recording", json={"requests": 3})
    assert refused.status_code == 409
    assert "add-external" in refused.text


def test_steps_are_ticked_by_what_is_there(
    api: TestClient[Litestar], database: Database, model: RegisteredModel, version: AdapterVersion
) -> None:
    assert api.get(PATH).json()["next"] == "training"
    with database.unit(model.agency_id) as session:
        session.add(example_of(model, "How do I pay?", "order", pool=Pool.TRAINING))
        golden = example_of(model, "Where is it?", "order")
        session.add(golden)
        session.flush()
        snapshot = take_snapshot(session, model=model, pool=Pool.GOLDEN)
    found = api.get(PATH).json()
    assert (found["next"], done(found)) == ("record", ["service", "training", "golden"])
    assert (found["plan"]["requests"], found["plan"]["known"]) == (1, 0)
    assert 0 < Decimal(found["plan"]["at_most"]) < Decimal("0.001")
    begun = api.post(f"{PATH}/recording", json={"requests": 1}).json()
    assert (begun["recorded"]["waiting"], begun["latest"]["ended_at"]) == (1, None)
    stopped = api.post(f"{PATH}/recording/stop").json()
    assert (stopped["recorded"]["waiting"], stopped["latest"]["problem"]) == (0, "stopped by key")
    with database.unit(model.agency_id) as session:
        cycle = judged(model, version, snapshot)
        session.add(cycle)
    assert step(database, model, "train").says == "It waits for an approval."
    with database.unit(model.agency_id) as session:
        cycle = session.get_one(RetrainingCycle, cycle.id)
        own = AdapterVersion(**vars_of(version), number="2.0", digest="d" * 64)
        session.add(own)
        session.flush()
        cycle.state, cycle.candidate_version_id = CycleState.AWAITING_PROMOTION, own.id
        runs = [evaluated(model, each, snapshot) for each in (version, own)]
        session.add_all(runs)
        session.flush()
        session.add(compared(cycle, runs))
    found = api.get(PATH).json()
    assert done(found) == ["service", "training", "golden", "train", "prove"]
    assert step(database, model, "prove").says == "Nothing is lost."
    with database.unit(model.agency_id) as session:
        point(session, model, Alias.PRODUCTION, own.id)
    found = api.get(PATH).json()
    assert "switch" in done(found)
    assert found["hosted"]["model"] == TUNED, "what was migrated from is still told"


def test_a_service_that_is_gone_is_said_and_asked_no_more(
    api: TestClient[Litestar], database: Database, model: RegisteredModel, version: AdapterVersion
) -> None:
    with database.unit(model.agency_id) as session:
        session.add(example_of(model, "Where is it?", "order"))
        find_endpoint(session, version).ends_on = date(2026, 1, 1)
    assert api.get(PATH).json()["hosted"]["over"]
    refused = api.post(f"{PATH}/recording", json={"requests": 1})
    assert (refused.status_code, "answers no more" in refused.text) == (409, True)


def test_a_month_at_the_service_is_counted_by_tokens_and_prices(
    database: Database, model: RegisteredModel, version: AdapterVersion
) -> None:
    with database.unit(model.agency_id) as session:
        assert read_migration(session, model).saving is None
        for days, imported in ((10, None), (1, None), (40, None), (2, "openai")):
            session.add(answer(model, version, days, imported))
        session.flush()
        saving = read_migration(session, model).saving
    assert saving is not None
    assert (saving.answers, saving.days) == (2, 10)
    # 2 answers of 10 days, each of a million tokens read and half a million written: 30 days have three times as many
    assert saving.per_month / 1_000_000 == pytest.approx(3 * 2 * (0.30 + 0.60), rel=0.01)


def step(database: Database, model: RegisteredModel, key: str) -> MigrationStep:
    with database.unit(model.agency_id) as session:
        return next(each for each in read_migration(session, model).steps if each.key == key)


def vars_of(version: AdapterVersion) -> dict[str, Any]:
    own = version.model_dump(exclude={"id", "number", "digest", "created_at", "origin"})
    return {**own, "manifest": version.manifest}


def judged(model: RegisteredModel, hosted: AdapterVersion, golden: Snapshot) -> RetrainingCycle:
    return RetrainingCycle(
        client_id=model.client_id,
        model_id=model.id,
        trigger=Trigger.MANUAL,
        parent_version_id=hosted.id,
        golden_snapshot_id=golden.id,
        recipe={},
    )


def evaluated(model: RegisteredModel, version: AdapterVersion, snapshot: Snapshot) -> EvalRun:
    return EvalRun(
        client_id=model.client_id,
        model_id=model.id,
        version_id=version.id,
        snapshot_id=snapshot.id,
        digest=version.digest,
        engine="x",
        correct=1,
        hallucinated=0,
        n=1,
        reused=0,
        categories={},
        seconds=1,
    )


def compared(cycle: RetrainingCycle, runs: list[EvalRun]) -> Comparison:
    return Comparison(
        client_id=cycle.client_id,
        cycle_id=cycle.id,
        production_run_id=runs[0].id,
        candidate_run_id=runs[1].id,
        production_digest=runs[0].digest,
        candidate_digest=runs[1].digest,
        table={"rows": []},
        outcome="promote",
        reasons=["Nothing is lost."],
    )


def answer(model: RegisteredModel, version: AdapterVersion, days_ago: int, imported: str | None) -> Prediction:
    return Prediction(
        client_id=model.client_id,
        model_id=model.id,
        version_id=version.id,
        digest=version.digest,
        at=now() - timedelta(days=days_ago),
        messages=[{"role": "user", "content": "Hello"}],
        answer="order",
        prompt_tokens=1_000_000,
        completion_tokens=500_000,
        imported_from=imported,
    )

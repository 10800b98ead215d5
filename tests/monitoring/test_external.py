"""A service in production is watched: its last day, and whether it answers."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlmodel import select

from tests.support.factories import SUPPORT, make_base, make_model
from tests.support.hosted import example_of
from tests.support.openai_account import KEY, LAST_DAY, TUNED, tuned_account
from tests.support.ports import free_port
from tests.support.runtime import silent_runtime
from tuneloop.deployment.external import add_and_serve
from tuneloop.evaluation.service import answers_of
from tuneloop.kit.db import Database
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.jobs import JobRow, JobState, Queue, enqueue
from tuneloop.kit.jobs.duties import perform
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.alerts import alerts_of, dismiss, events_of
from tuneloop.monitoring.external import Seen, due_endpoints, keep
from tuneloop.monitoring.jobs import RunCanary
from tuneloop.monitoring.model_health import model_health
from tuneloop.monitoring.portfolio import portfolio
from tuneloop.monitoring.scheduled_tasks import BASELINES, ENDPOINTS
from tuneloop.monitoring.status import monitor_of
from tuneloop.registry.external import Terms, Tried, change_external, find_endpoint, try_service
from tuneloop.registry.external_probe import Service
from tuneloop.registry.service import find_version, manifest_of, served_here
from tuneloop.retraining.recipe import Method, Recipe
from tuneloop.retraining.service import propose
from tuneloop.retraining.targets import target_categories
from tuneloop.tables import (
    AdapterVersion,
    AlertChange,
    AlertKind,
    AlertLevel,
    AlertState,
    Client,
    EvalRun,
    ExternalEndpoint,
    MonitorStatus,
    Pool,
    RegisteredModel,
)
from tuneloop_local.emulators.openai.app import running
from tuneloop_workers.handlers.canary import run_canary

HANDLERS = (run_canary,)
SETTINGS = Settings(secret_key=SecretStr("a key"), reachable_networks="127.0.0.0/8")


@pytest.fixture
def model(database: Database, client_row: Client) -> RegisteredModel:
    return make_model(database, client_row, make_base(database), contract=SUPPORT)


@pytest.fixture
def endpoint(session: TenantSession, principal: Principal, model: RegisteredModel) -> ExternalEndpoint:
    """In production, though nobody has ever evaluated it."""
    tried = Tried(Service("https://api.openai.com/v1", TUNED, KEY), True, LAST_DAY)
    made = add_and_serve(
        session, principal=principal, model=model, tried=tried, terms=Terms(), settings=SETTINGS, name="acme/support"
    )
    return find_endpoint(session, find_version(session, model, made.digest))


def on(days_before: int) -> datetime:
    return datetime(2027, 1, 14, 9, tzinfo=UTC) - timedelta(days=days_before)


def test_the_end_of_a_service_is_told_at_each_step_and_once(
    session: TenantSession, principal: Principal, model: RegisteredModel, endpoint: ExternalEndpoint
) -> None:
    seen = Seen(LAST_DAY, asked=False, problem=None)
    for days in (120, 91):
        keep(session, endpoint.id, seen, at=on(days))
    assert alerts_of(session, model.id) == []
    for days in (90, 80, 31):
        keep(session, endpoint.id, seen, at=on(days))
    (alert,) = alerts_of(session, model.id)
    assert (alert.kind, alert.level, alert.monitor_id) == (AlertKind.END_OF_LIFE, AlertLevel.WARN, None)
    assert "in 90 days, on 14 January 2027" in alert.summary
    assert [event.change for event in events_of(session, alert.id)] == [AlertChange.OPENED]
    for days in (30, 12, 7, 6, 0, -3):
        keep(session, endpoint.id, seen, at=on(days))
    (alert,) = alerts_of(session, model.id)
    assert alert.level is AlertLevel.ALERT
    said = [event.summary for event in events_of(session, alert.id) if event.change is AlertChange.NOTIFIED]
    assert ["30 days" in said[0], "7 days" in said[1], "answers no more" in said[2], len(said)] == [True, True, True, 3]
    dismiss(session, principal=principal, alert_id=alert.id, reason="known")
    keep(session, endpoint.id, seen, at=on(-5))
    assert [each.state for each in alerts_of(session, model.id)] == [AlertState.DISMISSED]


def test_a_typed_end_outweighs_the_service_s_and_a_later_one_ends_the_alert(
    session: TenantSession, principal: Principal, model: RegisteredModel, endpoint: ExternalEndpoint
) -> None:
    keep(session, endpoint.id, Seen(LAST_DAY, False, None), at=on(20))
    assert portfolio(session)[0].status is MonitorStatus.ALERT
    assert portfolio(session)[0].ends_on == LAST_DAY
    health = model_health(session, model)
    assert (health.ends_on, health.version, health.status) == (LAST_DAY, "1.0", MonitorStatus.ALERT)
    assert health.reason.startswith("api.openai.com stops answering")
    later = Terms(ends_on=date(2028, 1, 1))
    change_external(session, principal=principal, endpoint=endpoint, terms=later, tried=None, settings=SETTINGS)
    keep(session, endpoint.id, Seen(LAST_DAY, False, None), at=on(19))
    assert endpoint.ends_on == date(2028, 1, 1)
    assert [each.state for each in alerts_of(session, model.id)] == [AlertState.RESOLVED]


def test_a_service_that_does_not_answer_is_told_once_it_was_asked_again(
    session: TenantSession, model: RegisteredModel, endpoint: ExternalEndpoint
) -> None:
    assert endpoint.id not in due_endpoints(session)
    endpoint.problem, endpoint.problem_at = "it answers 401", endpoint.checked_at + timedelta(seconds=1)
    session.add(endpoint)
    session.flush()
    assert endpoint.id in due_endpoints(session)
    keep(session, endpoint.id, Seen(None, asked=False, problem=None), at=on(200))
    assert alerts_of(session, model.id) == []
    keep(session, endpoint.id, Seen(None, asked=True, problem="api.openai.com refuses the key (401)"), at=on(200))
    (alert,) = alerts_of(session, model.id)
    assert (alert.kind, alert.level, alert.state) == (AlertKind.SERVICE, AlertLevel.ALERT, AlertState.OPEN)
    assert "refuses the key" in alert.summary
    keep(session, endpoint.id, Seen(None, asked=True, problem=None), at=on(199))
    assert [each.state for each in alerts_of(session, model.id)] == [AlertState.RESOLVED]
    assert session.get_one(ExternalEndpoint, endpoint.id).problem is None


def test_a_golden_set_is_put_to_the_service_and_production_is_watched_from_then_on(
    database: Database, storage: Storage, principal: Principal, model: RegisteredModel, tmp_path: Path
) -> None:
    """As the scheduler and a worker do; then the key is withdrawn."""
    settings = SETTINGS.model_copy(update={"data_dir": tmp_path})
    account = tuned_account()
    with running(account, free_port()) as url:
        tried = try_service(settings, url=url, model=TUNED, key=KEY)
        with database.unit(principal.agency_id) as session:
            endpoint = find_endpoint(
                session,
                find_version(
                    session,
                    model,
                    add_and_serve(
                        session,
                        principal=principal,
                        model=model,
                        tried=tried,
                        terms=Terms(),
                        settings=settings,
                        name="acme/support",
                    ).digest,
                ),
            )
        assert perform(database, BASELINES) == 0
        with database.unit(principal.agency_id) as session:
            session.add_all(example_of(model, text, label) for text, label in QUESTIONS)
        assert [perform(database, BASELINES), perform(database, BASELINES)] == [1, 0]
        runtime = silent_runtime(database, storage, settings)
        assert runtime.run_next(Queue.SLOW)
        with database.unit(principal.agency_id) as session:
            monitor = monitor_of(session, model.id)
            assert monitor is not None
            run = session.get_one(EvalRun, monitor.baseline_run_id)
            assert (run.correct, run.n, run.engine) == (2, 3, "external")
            assert all(0.9 < (answer.confidence or 0) < 1 for answer in answers_of(session, run))
            asked = len(account.asked)
            enqueue(session, RunCanary(model_id=model.id), agency_id=principal.agency_id)
        assert runtime.run_next(Queue.GPU)
        assert len(account.asked) == asked + 3
        with database.unit(principal.agency_id) as session:
            session.get_one(ExternalEndpoint, endpoint.id).ends_on = date(2026, 1, 1)
            enqueue(session, RunCanary(model_id=model.id), agency_id=principal.agency_id)
        assert runtime.run_next(Queue.GPU)
        assert len(account.asked) == asked + 3, "whoever is gone is not asked"
        with database.unit(principal.agency_id) as session:
            canaries = session.exec(select(JobRow.state).where(JobRow.name == RunCanary.name)).all()
            assert canaries == [JobState.SUCCEEDED] * 2
            kept = session.get_one(ExternalEndpoint, endpoint.id)
            kept.ends_on = None
            kept.problem, kept.problem_at = "it answers 401", kept.checked_at + timedelta(microseconds=1)
        account.keys = {"sk-another"}
        assert perform(database, ENDPOINTS) == 1
        assert runtime.run_next(Queue.DEFAULT)
        with database.unit(principal.agency_id) as session:
            (alert,) = [each for each in alerts_of(session, model.id) if each.kind is AlertKind.SERVICE]
            assert "127.0.0.1 refuses the key (401" in alert.summary
            assert KEY not in alert.summary
            assert alert.monitor_id == monitor.id


def test_a_candidate_is_trained_from_the_base_and_judged_against_the_service(
    session: TenantSession, principal: Principal, model: RegisteredModel, endpoint: ExternalEndpoint
) -> None:
    session.add_all(example_of(model, text, label) for text, label in QUESTIONS)
    session.add_all(
        example_of(model, f"{text} Tell me at once.", label, pool=Pool.TRAINING) for text, label in QUESTIONS
    )
    session.flush()
    cycle = propose(session, principal=principal, model=model, recipe=Recipe())
    assert cycle.parent_version_id == endpoint.version_id
    assert Method.CONTINUE not in Recipe.model_validate(cycle.recipe).methods
    assert target_categories(session, cycle) == set()
    version = session.get_one(AdapterVersion, endpoint.version_id)
    assert not served_here(session, version)
    with pytest.raises(InvalidInput, match="external"):
        manifest_of(version)


QUESTIONS = (("Where is my parcel?", "order"), ("I want my money back", "refund"), ("My parcel broke", "refund"))

"""Health, portfolio and history: what pages, bot and reports show of a model."""

from datetime import timedelta

from tests.monitoring.traffic import Traffic, read
from tests.support.cycles import Workshop
from tests.support.factories import make_client, make_model
from tuneloop.deployment.service import deploy
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.history import history
from tuneloop.monitoring.model_health import model_health
from tuneloop.monitoring.portfolio import portfolio
from tuneloop.monitoring.schemas import MarkerKind
from tuneloop.monitoring.status import monitor_of, refresh_status
from tuneloop.tables import Agency, FeedbackKind, MonitorStatus


def test_accuracy_is_measured_on_labels_and_shown_with_n_and_interval(
    session: TenantSession, workshop: Workshop, traffic: Traffic
) -> None:
    traffic.week(54, 6)
    traffic.report(traffic.answers(40)[:5], FeedbackKind.ERROR)
    read(session, workshop)
    health = model_health(session, workshop.model)
    assert health.accuracy is not None
    assert (health.accuracy.value, health.accuracy.n) == (0.9, 60)
    assert health.accuracy.low < 0.9 < health.accuracy.high
    assert health.baseline is not None
    assert (health.baseline.value, health.baseline.n) == (0.9, 100)
    assert health.reports is not None
    assert (health.reports.value, health.reports.n) == (0.05, 100)
    assert (health.name, health.version, health.status) == ("acme/support", "1.0", MonitorStatus.OK)
    assert health.reason == "No sign of a fall in 60 labels of the last 28 days."


def test_few_labels_are_taken_together_over_several_readings(
    session: TenantSession, workshop: Workshop, traffic: Traffic
) -> None:
    for right, wrong in ((20, 0), (18, 2), (18, 2)):
        traffic.week(right, wrong)
        read(session, workshop)
    health = model_health(session, workshop.model)
    assert health.accuracy is not None
    assert (health.accuracy.n, round(health.accuracy.value or 0, 3)) == (60, 0.933)


def test_silence_is_not_good_news(session: TenantSession, workshop: Workshop, traffic: Traffic) -> None:
    """Without answers, or with too few labels, the state is not OK, and the reason says what to do."""
    read(session, workshop)
    health = model_health(session, workshop.model)
    assert health.status is MonitorStatus.NO_DATA
    assert "application calls this model" in health.reason
    traffic.week(10, 1)
    read(session, workshop)
    health = model_health(session, workshop.model)
    assert health.status is MonitorStatus.TOO_FEW_LABELS
    assert "Only 11 labels" in health.reason


def test_the_state_s_beginning_moves_only_when_the_state_does(
    session: TenantSession, workshop: Workshop, traffic: Traffic
) -> None:
    traffic.week(27, 3)
    read(session, workshop)
    first = model_health(session, workshop.model).since
    read(session, workshop)
    assert model_health(session, workshop.model).since == first
    monitor = monitor_of(session, workshop.model.id)
    assert monitor is not None
    assert refresh_status(session, monitor, at=now() + timedelta(days=15)) is MonitorStatus.NO_DATA
    assert first is not None
    assert monitor.status_since > first


def test_the_portfolio_puts_the_most_urgent_first(
    database: Database, agency: Agency, session: TenantSession, workshop: Workshop, traffic: Traffic
) -> None:
    """A model that fell, then one that nobody deployed."""
    make_model(database, make_client(database, agency, "beta"), workshop.base, "triage")
    traffic.week(30, 30)
    read(session, workshop)
    first, second = portfolio(session)
    assert (first.client, first.model, first.version, first.open_alerts) == ("acme", "support", "1.0", 1)
    assert first.status in (MonitorStatus.ALERT, MonitorStatus.WARN)
    assert first.reason.startswith("Accuracy on sampled traffic fell")
    assert first.accuracy is not None
    assert (first.accuracy.value, first.accuracy.n, first.answers) == (0.5, 60, 60)
    assert (second.client, second.version, second.status) == ("beta", None, MonitorStatus.NO_DATA)
    assert "deploy a first version" in second.reason


def test_history_has_every_period_and_marks_what_happened(
    session: TenantSession, workshop: Workshop, traffic: Traffic, principal: Principal
) -> None:
    traffic.week(54, 6)
    read(session, workshop)
    newer = workshop.version(session, "1.1")
    workshop.run(session, newer, [True] * 95 + [False] * 5)
    deploy(session, principal=principal, model=workshop.model, version=newer)
    traffic.version = newer
    traffic.week(38, 2)
    read(session, workshop)
    found = history(session, workshop.model)
    assert [(point.version, point.figure.n) for point in found.accuracy] == [("1.0", 60), ("1.1", 40)]
    assert found.baseline is not None
    assert found.baseline.value == 0.95
    series = {each.category: each for each in found.categories}
    assert [point.figure.n for point in series["order"].points] == [54, 38]
    assert series["rental"].baseline is None
    order, rental = series["order"].now, series["rental"].now
    assert order is not None
    assert rental is not None
    assert (order.n, rental.n) == (38, 2)
    assert 0.0 < (rental.value or 0) < 0.7 < (order.value or 0) < 1.0
    assert series["refund"].now is None
    assert series["refund"].points == []
    assert found.confidence_now is not None
    assert found.confidence_then is not None
    assert (found.confidence_now.n, found.confidence_then.n) == (40, 100)
    assert sum(found.confidence_now.shares) == 1
    (marker,) = found.markers
    assert (marker.kind, marker.version) == (MarkerKind.DEPLOYMENT, "1.1")


def test_answers_that_no_reading_has_seen_are_not_called_none(
    session: TenantSession, workshop: Workshop, traffic: Traffic
) -> None:
    monitor = monitor_of(session, workshop.model.id)
    assert monitor is not None
    refresh_status(session, monitor)
    assert "gave no answers" in model_health(session, workshop.model).reason
    traffic.answers(3)
    session.flush()
    health = model_health(session, workshop.model)
    assert (health.status, health.reason.split(".")[0]) == (MonitorStatus.NO_DATA, "Production answers")

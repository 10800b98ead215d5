"""Changed traffic: the tripwire asks, labels of the grown part judge."""

import random
from collections.abc import Callable

import pytest
from sqlmodel import select

from tests.monitoring.traffic import Traffic, exact, read
from tests.support.cycles import Workshop
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.jobs import perform
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.alerts import alerts_of, events_of
from tuneloop.monitoring.drift_followup import settle_traffic
from tuneloop.monitoring.scheduled_tasks import BURSTS
from tuneloop.monitoring.status import monitor_of
from tuneloop.predictions.gate_holdout import is_reserved
from tuneloop.stats.impact import Impact
from tuneloop.tables import (
    Alert,
    AlertChange,
    AlertKind,
    AlertLevel,
    AlertState,
    JobRow,
    MonitorStatus,
    Prediction,
    Reading,
    ReviewItem,
    ReviewState,
)

USUAL = 200


@pytest.fixture
def week(session: TenantSession, workshop: Workshop, traffic: Traffic) -> Callable[[int], dict[str, Reading]]:
    """Traffic as in the evaluation, and so many unsure answers with another label."""
    generator = random.Random(7)

    def make(unsure: int) -> dict[str, Reading]:
        rows = traffic.answers(USUAL, at=now())
        for row in rows[: USUAL // 10]:
            row.confidence = 0.4
        for row in traffic.answers(unsure, at=now(), category="repair"):
            row.confidence = generator.uniform(0.3, 0.6)
        session.flush()
        return read(session, workshop)

    return make


def burst(session: TenantSession) -> list[ReviewItem]:
    return list(session.exec(select(ReviewItem).where(ReviewItem.purpose == "burst")))


def answer(session: TenantSession, workshop: Workshop, *, right: int) -> Impact | None:
    """Label the burst; the first `right` are right, the others are about rentals."""
    for place, item in enumerate(burst(session)):
        said = session.get_one(Prediction, item.prediction_id).answer
        item.expected = item.category = said if place < right else "rental"
        item.state, item.closed_at = ReviewState.DONE, now()
    session.flush()
    (alert,) = alerts_of(session, workshop.model.id)
    return settle_traffic(session, alert, exact)


def test_the_first_traffic_is_the_reference_and_the_same_again_is_no_news(
    session: TenantSession, workshop: Workshop, week: Callable[[int], dict[str, Reading]]
) -> None:
    first, again = week(0)["confidence"], week(0)["confidence"]
    assert (first.alarm, first.detail["reference"]) == (False, "evaluation")
    assert (again.alarm, again.detail["reference"]) == (False, "traffic")
    assert again.p_value is not None
    assert again.p_value > 0.1
    assert alerts_of(session, workshop.model.id) == []


def test_changed_traffic_warns_and_asks_about_its_grown_part(
    session: TenantSession, workshop: Workshop, week: Callable[[int], dict[str, Reading]]
) -> None:
    week(0)
    reading = week(60)["confidence"]
    (alert,) = alerts_of(session, workshop.model.id)
    assert (alert.kind, alert.level, reading.alarm) == (AlertKind.TRAFFIC, AlertLevel.WARN, True)
    assert "says nothing about accuracy" in alert.summary
    assert reading.detail["share"] > 2 * reading.detail["share_before"]
    items = burst(session)
    assert 20 <= len(items) <= 40
    for item in items:
        prediction = session.get_one(Prediction, item.prediction_id)
        assert prediction.answer == "repair" or (prediction.confidence or 1) < 0.6
        assert not is_reserved(session, model=workshop.model, prediction=prediction)
        assert (item.alert_id, "is the model right on them?" in item.reason) == (alert.id, True)
    week(60)
    assert len(burst(session)) == len(items)
    assert [event.change for event in events_of(session, alert.id)] == [AlertChange.OPENED, AlertChange.REPEATED]


def test_nothing_is_decided_before_the_burst_is_labelled(
    database: Database, session: TenantSession, workshop: Workshop, week: Callable[[int], dict[str, Reading]]
) -> None:
    """The scheduler starts the verdict when the last label is there."""
    week(0)
    week(60)
    (alert,) = alerts_of(session, workshop.model.id)
    assert settle_traffic(session, alert, exact) is None
    session.flush()
    assert perform(database, BURSTS) == 0
    for item in burst(session):
        item.state, item.expected, item.closed_at = ReviewState.DONE, "repair", now()
    session.flush()
    assert perform(database, BURSTS) == 1
    perform(database, BURSTS)
    assert [job.name for job in session.exec(select(JobRow))] == ["monitoring.settle"]


def test_harm_is_proven_by_labels_and_names_the_new_category(
    session: TenantSession, workshop: Workshop, week: Callable[[int], dict[str, Reading]]
) -> None:
    week(0)
    week(60)
    impact = answer(session, workshop, right=2)
    assert impact is not None
    assert impact.alarm
    alert = session.exec(select(Alert)).one()
    assert (alert.level, alert.state) == (AlertLevel.ALERT, AlertState.OPEN)
    assert alert.summary.startswith("Changed traffic does harm.")
    raised = events_of(session, alert.id)[-1]
    assert (raised.change, raised.evidence["fallen"]) == (AlertChange.RAISED, ["rental"])
    assert raised.evidence["overall_change"]["high"] < 0
    monitor = monitor_of(session, workshop.model.id)
    assert monitor is not None
    assert monitor.status is MonitorStatus.ALERT
    assert settle_traffic(session, alert, exact) is None


def test_harmless_change_becomes_the_new_reference(
    session: TenantSession, workshop: Workshop, week: Callable[[int], dict[str, Reading]]
) -> None:
    week(0)
    week(60)
    impact = answer(session, workshop, right=40)
    assert impact is not None
    assert not impact.alarm
    (alert,) = alerts_of(session, workshop.model.id)
    assert (alert.state, alert.resolved_by) == (AlertState.RESOLVED, "monitor")
    assert "Later traffic is compared with this." in (alert.resolution or "")
    assert not week(60)["confidence"].alarm


def test_too_few_labels_judge_nothing(
    session: TenantSession, workshop: Workshop, week: Callable[[int], dict[str, Reading]]
) -> None:
    week(0)
    week(60)
    for item in burst(session)[5:]:
        item.state = ReviewState.SKIPPED
    for item in burst(session)[:5]:
        item.state, item.expected, item.closed_at = ReviewState.DONE, "rental", now()
    session.flush()
    (alert,) = alerts_of(session, workshop.model.id)
    assert settle_traffic(session, alert, exact) is None
    assert alert.resolution is not None
    assert alert.resolution.startswith("Only 5 of its answers were labelled")

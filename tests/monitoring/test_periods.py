"""Reports, the label-free estimate and sensitivity: each says its own thing, and none is taken for accuracy."""

import pytest

from tests.monitoring.traffic import Traffic, read
from tests.support.cycles import Workshop
from tuneloop.kit.clock import now
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.alerts import alerts_of
from tuneloop.monitoring.model_health import model_health
from tuneloop.monitoring.sensitivity import SensitivityInputs, measure, sensitivity_inputs, store
from tuneloop.monitoring.status import monitor_of
from tuneloop.tables import AlertKind, AlertLevel, AlertState, FeedbackKind, Reading


def reported(session: TenantSession, workshop: Workshop, traffic: Traffic, share: float, people: int = 0) -> Reading:
    """A week of 200 answers, some of them reported, by as many people or by `people`."""
    rows = traffic.answers(200, at=now())
    for place, row in enumerate(rows):
        row.end_user = f"person {place % people if people else place}"
    traffic.report(rows[: round(200 * share)], FeedbackKind.ERROR)
    return read(session, workshop)["reports"]


def test_more_reports_warn_and_fewer_end_the_warning(
    session: TenantSession, workshop: Workshop, traffic: Traffic
) -> None:
    """The first weeks are the baseline. A fall of accuracy is never claimed."""
    assert reported(session, workshop, traffic, 0.02).detail["note"].startswith("Part of the baseline")
    assert not reported(session, workshop, traffic, 0.03).alarm
    reading = reported(session, workshop, traffic, 0.2)
    assert reading.alarm
    (alert,) = alerts_of(session, workshop.model.id)
    assert (alert.kind, alert.level) == (AlertKind.REPORTS, AlertLevel.WARN)
    assert alert.summary.startswith("Users report more answers: 20.0 %")
    assert "where it was 2.0 %" in alert.summary
    assert "says nothing about accuracy" in alert.summary
    for _ in range(12):
        reported(session, workshop, traffic, 0.0)
    assert alert.state == AlertState.RESOLVED


def test_one_person_who_reports_everything_is_one_reporter(
    session: TenantSession, workshop: Workshop, traffic: Traffic
) -> None:
    reported(session, workshop, traffic, 0.02)
    reading = reported(session, workshop, traffic, 0.2, people=1)
    assert (reading.value, reading.detail["reporters"], reading.alarm) == (0.2, 1, False)
    assert reading.detail["per_thousand"] == 200


def test_the_label_free_estimate_is_shown_with_its_assumption_and_its_error(
    session: TenantSession, workshop: Workshop, traffic: Traffic
) -> None:
    """In the evaluation confidence 0.9 was right and 0.4 wrong; in production 0.9 is right less often."""
    traffic.week(30, 30)
    traffic.answers(140, at=now())
    reading = read(session, workshop)["label_free"]
    assert reading.value is not None
    assert reading.value > 0.9
    assert "calibration does not hold" in reading.detail["note"]
    shown = model_health(session, workshop.model).label_free
    assert shown is not None
    assert shown.assumption == "if calibration still holds"
    assert (shown.checked_on, round(shown.error or 0, 2)) == (60, round(reading.value - 0.5, 2))
    assert (shown.error_low or 0) > 0
    assert [alert.kind for alert in alerts_of(session, workshop.model.id)] == [AlertKind.ACCURACY]
    traffic.answers(200, at=now())
    later = read(session, workshop)["label_free"]
    assert later.value is not None
    assert later.value < reading.value
    assert "check" not in later.detail


def test_what_would_be_found_is_asked_once_per_number_of_labels(
    session: TenantSession, workshop: Workshop, traffic: Traffic
) -> None:
    monitor = monitor_of(session, workshop.model.id)
    assert monitor is not None
    assert sensitivity_inputs(session, monitor) is None
    traffic.week(43, 5)
    read(session, workshop)
    question = sensitivity_inputs(session, monitor)
    assert question == SensitivityInputs(monitor.id, (90, 100), 50)
    assert model_health(session, workshop.model).sensitivity is None
    measured = {
        "baseline": [90, 100],
        "labels_per_week": 50,
        "smallest_drop": 0.1,
        "weeks": 8,
        "probability": 0.9,
        "more": [[100, 0.07], [200, 0.05]],
    }
    store(session, question, measured)
    assert sensitivity_inputs(session, monitor) is None
    shown = model_health(session, workshop.model).sensitivity
    assert shown is not None
    assert (shown.smallest_drop, [each.labels_per_week for each in shown.more]) == (0.1, [100, 200])
    for _ in range(4):
        traffic.week(90, 10)
        read(session, workshop)
    assert sensitivity_inputs(session, monitor) == SensitivityInputs(monitor.id, (90, 100), 100)


@pytest.mark.slow
def test_sensitivity_is_simulated(session: TenantSession, workshop: Workshop, traffic: Traffic) -> None:
    monitor = monitor_of(session, workshop.model.id)
    assert monitor is not None
    measured = measure(SensitivityInputs(monitor.id, (90, 100), 300))
    assert measured["smallest_drop"] is not None
    ((labels, drop),) = measured["more"]
    assert (labels, drop <= measured["smallest_drop"]) == (400, True)

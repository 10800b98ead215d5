"""A reading judges by labels, warns by confidence, tells reports; an alert says what fell and on how many."""

import pytest
from sqlmodel import select

from tests.monitoring.traffic import Traffic, read
from tests.support.cycles import Workshop
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.alert_series import series_of
from tuneloop.monitoring.alerts import alerts_of
from tuneloop.monitoring.service import readings_of, start_monitor
from tuneloop.registry.service import point
from tuneloop.tables import (
    AdapterVersion,
    Alert,
    AlertState,
    Alias,
    AuditEvent,
    FeedbackKind,
    Monitor,
    Source,
)


def test_an_alert_says_what_fell_how_sure_and_on_how_many(
    session: TenantSession, workshop: Workshop, traffic: Traffic
) -> None:
    traffic.bad_week()
    readings = read(session, workshop)
    (alert,) = alerts_of(session, workshop.model.id)
    assert readings["labels"].alarm
    assert alert.state is AlertState.OPEN
    assert alert.summary.startswith(
        "Accuracy on sampled traffic fell from 90 % (83\u201394 %, n=100) to 50 % (38\u201362 %, n=60)."
    )
    assert "such an alarm would come less than once in 20 years" in alert.summary
    assert "Most of it: rental." in alert.summary
    evidence = alert.evidence
    assert (evidence["baseline"]["n"], evidence["current"]["n"]) == (100, 60)
    assert evidence["current"]["low"] < 0.5 < evidence["current"]["high"]
    assert evidence["statistic"] > evidence["threshold"]
    assert evidence["fallen"] == ["rental"]
    assert (evidence["categories"]["rental"]["value"], evidence["categories"]["rental"]["n"]) == (0, 30)
    assert evidence["before"] == {}, "the evaluation had no rental"
    assert session.exec(select(AuditEvent.action)).all() == ["alert.open"]


def test_an_alert_keeps_when_each_period_was_measured(
    session: TenantSession, workshop: Workshop, traffic: Traffic
) -> None:
    """An alert of before dates were kept is told them by the readings of its time."""
    traffic.week(54, 6)
    first = read(session, workshop)["labels"]
    traffic.bad_week()
    second = read(session, workshop)["labels"]
    (alert,) = alerts_of(session, workshop.model.id)
    points = alert.evidence["series"]["accuracy"]
    assert [(each["at"], each["value"], each["n"]) for each in points] == [
        (first.at.isoformat(), 0.9, 60),
        (second.at.isoformat(), 0.5, 60),
    ]
    assert points[1]["low"] < 0.5 < points[1]["high"]
    alert.evidence = {name: each for name, each in alert.evidence.items() if name != "series"}
    assert series_of(session, alert) == {"accuracy": points}


def test_no_alert_without_change(session: TenantSession, workshop: Workshop, traffic: Traffic) -> None:
    """Every category is as good as in the evaluation, and so is the whole."""
    orders, refunds = traffic.answers(30), traffic.answers(30, category="refund")
    traffic.label([*orders[:27], *refunds[27:]], "order")
    traffic.label([*refunds[:27], *orders[27:]], "refund")
    readings = read(session, workshop)
    assert not readings["labels"].alarm
    assert readings["labels"].detail["category_alarms"] == []
    assert readings["labels"].value == 0.9
    assert session.exec(select(Alert)).all() == []


def test_falling_confidence_and_reports_warn_but_never_judge(
    session: TenantSession, workshop: Workshop, traffic: Traffic
) -> None:
    rows = traffic.answers(100, confidence=0.2)
    traffic.report(rows, FeedbackKind.ERROR)
    traffic.label(rows, "rental", source=Source.CORRECTION)
    readings = read(session, workshop)
    assert readings["confidence"].p_value is not None
    assert readings["confidence"].p_value < 0.01
    assert readings["reports"].value == 1.0
    assert (readings["labels"].n, readings["labels"].value, readings["labels"].alarm) == (0, None, False)
    assert session.exec(select(Alert)).all() == []


def test_a_report_counts_once_an_answer_and_praise_does_not(
    session: TenantSession, workshop: Workshop, traffic: Traffic
) -> None:
    rows = traffic.answers(10)
    for kind in (FeedbackKind.ERROR, FeedbackKind.CORRECTION):
        traffic.report(rows[:2], kind)
    traffic.report(rows[2:5], FeedbackKind.RATING)
    reading = read(session, workshop)["reports"]
    assert reading.detail["reported"]["value"] == 0.2
    assert reading.detail["reported"]["n"] == 10
    assert reading.detail["reported"]["low"] < 0.2 < reading.detail["reported"]["high"]


def test_few_answers_are_not_compared(session: TenantSession, workshop: Workshop, traffic: Traffic) -> None:
    traffic.answers(19, confidence=0.1)
    reading = read(session, workshop)["confidence"]
    assert (reading.n, reading.p_value, reading.statistic) == (19, None, None)
    assert reading.value == pytest.approx(0.1)


def test_each_answer_is_read_once(session: TenantSession, workshop: Workshop, traffic: Traffic) -> None:
    traffic.label(traffic.answers(8), "order")
    assert read(session, workshop)["labels"].n == 8
    assert read(session, workshop)["labels"].n == 0
    assert len(readings_of(session, workshop.model.id)) == 8


def test_another_version_s_answers_are_not_counted(
    session: TenantSession, workshop: Workshop, traffic: Traffic
) -> None:
    rows = traffic.answers(10)
    other = workshop.version(session, "0.9")
    for row in rows[:4]:
        row.version_id = other.id
    session.flush()
    assert read(session, workshop)["reports"].n == 6


def test_categories_are_held_against_the_monitor_s_own_baseline(
    session: TenantSession, workshop: Workshop, version: AdapterVersion, traffic: Traffic
) -> None:
    """A later evaluation of the same version is not what the alarm compares with."""
    workshop.run(session, version, [False] * 100)
    rows = traffic.answers(60, category="refund")
    traffic.label(rows, "order")
    read(session, workshop)
    assert alerts_of(session, workshop.model.id)[0].evidence["fallen"] == ["order"]


def test_the_other_client_s_model_is_untouched(
    session: TenantSession, workshop: Workshop, traffic: Traffic, principal: Principal
) -> None:
    traffic.bad_week()
    read(session, workshop)
    session.flush()
    session.client_id = principal.agency_id
    assert alerts_of(session, workshop.model.id) == []
    assert readings_of(session, workshop.model.id) == []


def test_without_an_evaluated_version_there_is_nothing_to_read(session: TenantSession, workshop: Workshop) -> None:
    with pytest.raises(InvalidInput, match="deploy an evaluated version first"):
        read(session, workshop)
    version = workshop.version(session, "1.0")
    assert start_monitor(session, version) is None
    point(session, workshop.model, Alias.PRODUCTION, version.id)
    with pytest.raises(InvalidInput, match="deploy an evaluated version first"):
        read(session, workshop)


def test_going_back_to_a_version_goes_on_with_its_chart(
    session: TenantSession, workshop: Workshop, version: AdapterVersion, traffic: Traffic
) -> None:
    traffic.label(traffic.answers(8), "order")
    read(session, workshop)
    again = start_monitor(session, version)
    assert again is not None
    assert len(again.charts["labels"]["weeks"]) == 1
    assert len(session.exec(select(Monitor)).all()) == 1

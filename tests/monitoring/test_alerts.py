"""An alert's life: one per kind, reminders, snoozing, and how it ends. Every step is an event that stays."""

from datetime import timedelta
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from tests.monitoring.traffic import Traffic, read
from tests.support.cycles import Workshop
from tuneloop.deployment.service import deploy
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.alerts import (
    NOTIFY_AGAIN,
    AlertFinding,
    alerts_of,
    dismiss,
    events_of,
    notify_again,
    raise_alert,
    snooze,
)
from tuneloop.monitoring.status import monitor_of
from tuneloop.stats.control_charts import DriftChart
from tuneloop.tables import (
    AdapterVersion,
    Alert,
    AlertChange,
    AlertKind,
    AlertLevel,
    AlertState,
    Monitor,
    MonitorStatus,
)

Http = TestClient[Litestar]


@pytest.fixture
def monitor(session: TenantSession, version: AdapterVersion) -> Monitor:
    found = monitor_of(session, version.model_id)
    assert found is not None
    return found


def finding(level: AlertLevel = AlertLevel.WARN, kind: AlertKind = AlertKind.ACCURACY, **evidence: Any) -> AlertFinding:
    return AlertFinding(kind, level, f"It is {level}.", evidence)


def states(monitor: Monitor) -> MonitorStatus:
    return monitor.status


def changes(session: TenantSession, alert: Alert) -> list[AlertChange]:
    session.flush()
    return [event.change for event in events_of(session, alert.id)]


def test_one_alert_is_open_per_kind_and_keeps_its_first_evidence(session: TenantSession, monitor: Monitor) -> None:
    first = raise_alert(session, monitor, finding(seen=1))
    again = raise_alert(session, monitor, finding(seen=2))
    other = raise_alert(session, monitor, finding(kind=AlertKind.REPORTS))
    assert (first.id, other.id != first.id) == (again.id, True)
    assert first.evidence["seen"] == 1
    assert [event.evidence["seen"] for event in events_of(session, first.id)] == [1, 2]
    assert changes(session, first) == [AlertChange.OPENED, AlertChange.REPEATED]


def test_an_alert_is_raised_once_and_never_lowered(session: TenantSession, monitor: Monitor) -> None:
    alert = raise_alert(session, monitor, finding())
    for level in (AlertLevel.ALERT, AlertLevel.WARN, AlertLevel.ALERT):
        raise_alert(session, monitor, finding(level))
    assert alert.level is AlertLevel.ALERT
    assert alert.summary == "It is alert."
    assert changes(session, alert) == [
        AlertChange.OPENED,
        AlertChange.RAISED,
        AlertChange.REPEATED,
        AlertChange.REPEATED,
    ]


def test_an_open_alert_reminds_after_a_week_and_only_then(session: TenantSession, monitor: Monitor) -> None:
    alert = raise_alert(session, monitor, finding())
    model = monitor.model_id
    assert notify_again(session, model) == []
    assert notify_again(session, model, at=now() + NOTIFY_AGAIN) == [alert]
    assert notify_again(session, model, at=now() + NOTIFY_AGAIN) == []
    assert events_of(session, alert.id)[-1].summary == "Open for 7 days: It is warn."


def test_a_snoozed_alert_is_quiet_until_then_or_until_it_gets_worse(
    session: TenantSession, monitor: Monitor, principal: Principal
) -> None:
    alert = raise_alert(session, monitor, finding())
    until = now() + timedelta(days=20)
    snooze(session, principal=principal, alert_id=alert.id, until=until, reason="labels are coming")
    assert notify_again(session, monitor.model_id, at=now() + timedelta(days=15)) == []
    assert notify_again(session, monitor.model_id, at=until + timedelta(minutes=1)) == [alert]
    raise_alert(session, monitor, finding(AlertLevel.ALERT))
    assert alert.snoozed_until is None


@pytest.mark.parametrize("days", [-1, 61])
def test_a_snooze_ends_soon_and_not_in_the_past(
    session: TenantSession, monitor: Monitor, principal: Principal, days: int
) -> None:
    alert = raise_alert(session, monitor, finding())
    with pytest.raises(InvalidInput, match="within the next 60 days"):
        snooze(session, principal=principal, alert_id=alert.id, until=now() + timedelta(days=days), reason="later")


def test_a_dismissed_alert_is_closed_once_and_its_evidence_no_longer_counts(
    session: TenantSession, workshop: Workshop, traffic: Traffic, monitor: Monitor, principal: Principal
) -> None:
    traffic.bad_week()
    read(session, workshop)
    (alert,) = alerts_of(session, workshop.model.id)
    with pytest.raises(InvalidInput, match="say why"):
        dismiss(session, principal=principal, alert_id=alert.id, reason="  ")
    dismiss(session, principal=principal, alert_id=alert.id, reason="The labels were wrong.")
    assert (alert.state, alert.resolved_by, alert.resolution) == (
        AlertState.DISMISSED,
        "test",
        "The labels were wrong.",
    )
    assert DriftChart.from_dict(monitor.charts["labels"]).weeks == ()
    assert monitor.status is MonitorStatus.OK
    with pytest.raises(Conflict, match="dismissed by test already"):
        dismiss(session, principal=principal, alert_id=alert.id, reason="again")
    traffic.week(36, 4)
    read(session, workshop)
    assert len(alerts_of(session, workshop.model.id)) == 1
    traffic.bad_week()
    read(session, workshop)
    assert [each.state for each in alerts_of(session, workshop.model.id)] == [AlertState.OPEN, AlertState.DISMISSED]


def test_a_new_version_ends_an_alert_only_when_its_own_labels_are_quiet(
    session: TenantSession, workshop: Workshop, traffic: Traffic, principal: Principal
) -> None:
    traffic.bad_week()
    read(session, workshop)
    newer = workshop.version(session, "1.1")
    workshop.run(session, newer, [True] * 95 + [False] * 5)
    deploy(session, principal=principal, model=workshop.model, version=newer)
    traffic.version = newer
    (alert,) = alerts_of(session, workshop.model.id)
    traffic.week(9, 1)
    read(session, workshop)
    assert alert.state is AlertState.OPEN
    monitor = monitor_of(session, workshop.model.id)
    assert monitor is not None
    assert states(monitor) == MonitorStatus.WARN
    traffic.week(38, 2)
    read(session, workshop)
    assert (alert.state, alert.resolved_by) == (AlertState.RESOLVED, "monitor")
    assert alert.resolution is not None
    assert alert.resolution.startswith("v1.1 is in production and shows no fall: 95 % right")
    assert states(monitor) == MonitorStatus.OK


def test_a_fall_of_the_new_version_goes_on_with_the_open_alert(
    session: TenantSession, workshop: Workshop, traffic: Traffic, principal: Principal
) -> None:
    traffic.bad_week()
    read(session, workshop)
    newer = workshop.version(session, "1.1")
    workshop.run(session, newer, [True] * 90 + [False] * 10)
    deploy(session, principal=principal, model=workshop.model, version=newer)
    traffic.version = newer
    traffic.bad_week()
    read(session, workshop)
    (alert,) = alerts_of(session, workshop.model.id)
    monitor = monitor_of(session, workshop.model.id)
    assert monitor is not None
    assert (alert.state, alert.monitor_id) == (AlertState.OPEN, monitor.id)
    assert changes(session, alert)[-1] in (AlertChange.REPEATED, AlertChange.RAISED)


def test_alerts_over_http(api: Http, session: TenantSession, workshop: Workshop, traffic: Traffic) -> None:
    traffic.bad_week()
    read(session, workshop)
    session.commit()
    (alert,) = api.get("/api/v1/models/acme/support/alerts").json()
    path = f"/api/v1/alerts/{alert['id']}"
    until = (now() + timedelta(days=2)).isoformat()
    snoozed = api.post(f"{path}/snooze", json={"until": until, "reason": "the retrain is under way"})
    assert snoozed.json()["snoozed_until"] is not None
    assert api.post(f"{path}/resolve", json={"reason": ""}).status_code == 400
    resolved = api.post(f"{path}/resolve", json={"reason": "the price list was corrected"}).json()
    assert (resolved["state"], resolved["resolution"]) == ("resolved", "the price list was corrected")
    events = api.get(f"{path}/events").json()
    assert [event["change"] for event in events] == ["opened", "snoozed", "resolved"]
    assert events[-1]["actor"] == "key"

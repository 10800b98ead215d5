"""The canary: the same version, the same questions; what changes beyond the measured noise is our own doing."""

from collections.abc import Sequence

import pytest

from tests.support.cycles import Workshop
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.alerts import alerts_of
from tuneloop.monitoring.canary import anchors_of, few_of, record_canary
from tuneloop.monitoring.model_health import model_health
from tuneloop.monitoring.status import monitor_of
from tuneloop.tables import (
    AdapterVersion,
    AlertKind,
    AlertState,
    Example,
    Monitor,
    MonitorStatus,
    Reading,
)


@pytest.fixture
def monitor(session: TenantSession, version: AdapterVersion) -> Monitor:
    found = monitor_of(session, version.model_id)
    assert found is not None
    return found


def exact(examples: Sequence[Example], answers: Sequence[str]) -> list[bool]:
    return [example.expected == answer for example, answer in zip(examples, answers, strict=True)]


def run(session: TenantSession, monitor: Monitor, *, broken: int = 0, otherwise_wrong: int = 0) -> Reading:
    """Asks again: some right answers are wrong now, some wrong ones are wrong in another way."""
    anchors = anchors_of(session, monitor)
    answers = {anchor.example.id: anchor.before.answer for anchor in anchors}
    right = [anchor for anchor in anchors if anchor.before.correct]
    wrong = [anchor for anchor in anchors if not anchor.before.correct]
    for anchor in [*right[:broken], *wrong[:otherwise_wrong]]:
        answers[anchor.example.id] = "something else"
    return record_canary(session, monitor=monitor, anchors=anchors, answers=answers, judge=exact)


def test_the_first_run_measures_the_noise_and_judges_nothing(session: TenantSession, monitor: Monitor) -> None:
    reading = run(session, monitor, otherwise_wrong=3)
    assert monitor.noise == {"flips": 3, "n": 100}
    assert (reading.alarm, reading.p_value) == (False, None)
    assert (reading.detail["flips"]["value"], reading.detail["accuracy"]["value"]) == (0.03, 0.9)


def test_flips_within_the_noise_are_no_news(session: TenantSession, workshop: Workshop, monitor: Monitor) -> None:
    run(session, monitor, otherwise_wrong=3)
    reading = run(session, monitor, broken=1, otherwise_wrong=3)
    assert not reading.alarm
    assert reading.p_value is not None
    assert reading.p_value > 0.05
    assert alerts_of(session, workshop.model.id) == []
    noise = model_health(session, workshop.model).canary_noise
    assert noise is not None
    assert (noise.value, noise.n) == (0.03, 100)


def test_a_changed_pipeline_alarms_with_the_answers_that_changed_and_ends_with_a_quiet_run(
    session: TenantSession, workshop: Workshop, monitor: Monitor
) -> None:
    run(session, monitor)
    reading = run(session, monitor, broken=12)
    (alert,) = alerts_of(session, workshop.model.id)
    assert (alert.kind, reading.alarm, monitor.status) == (AlertKind.CANARY, True, MonitorStatus.ALERT)
    assert "12 of 100 answers changed" in alert.summary
    assert "0 of 100; 12 became wrong, 0 right" in alert.summary
    assert alert.evidence["examples"][0]["after"] == "something else"
    assert (len(alert.evidence["examples"]), alert.evidence["noise"]["n"]) == (12, 100)
    run(session, monitor)
    assert (alert.state, alert.resolved_by) == (AlertState.RESOLVED, "monitor")


def test_a_deleted_example_is_not_asked_again(session: TenantSession, workshop: Workshop, monitor: Monitor) -> None:
    example = session.get_one(Example, workshop.examples[0].id)
    example.deleted_at = monitor.read_until
    session.flush()
    assert len(anchors_of(session, monitor)) == 99


def test_a_service_is_asked_the_same_few_each_time(session: TenantSession, monitor: Monitor) -> None:
    anchors = anchors_of(session, monitor)
    few = few_of(anchors, 60)
    assert len(few) == 60 < len(anchors)
    assert few == few_of(anchors, 60) == [anchor for anchor in anchors if anchor in few]
    kept = few_of([anchor for anchor in anchors if anchor is not few[0]], 60)
    assert all(anchor in kept for anchor in few[1:]), "the others stay when one is deleted"

"""A year of readings as they are in production: nothing without a change, and the change when there is one."""

import random
from datetime import datetime, timedelta

import pytest

from tests.monitoring.traffic import Traffic, exact
from tests.support.cycles import Workshop
from tuneloop.kit.clock import now
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.alerts import alerts_of
from tuneloop.monitoring.service import read_monitor
from tuneloop.monitoring.status import monitor_of
from tuneloop.tables import Alert, AlertKind, AlertLevel, FeedbackKind, Prediction

LABELS, ANSWERS = 60, 150
CHANGE = 13

pytestmark = pytest.mark.slow


class Year:
    """Weeks of answers with labels, confidences and a few reports, all drawn at random."""

    def __init__(self, session: TenantSession, workshop: Workshop, traffic: Traffic, seed: int) -> None:
        self.session, self.workshop, self.traffic = session, workshop, traffic
        self.random = random.Random(seed)
        self.begin = now() - timedelta(days=400)
        monitor = monitor_of(session, workshop.model.id)
        assert monitor is not None
        monitor.read_until = self.begin

    def week(self, number: int, *, new_share: float = 0.0) -> datetime:
        """Known questions are answered rightly in 90 of 100 cases; new ones hardly ever, and with less confidence."""
        until = self.begin + timedelta(weeks=number + 1)
        rows = self.traffic.answers(ANSWERS, at=until - timedelta(days=3))
        labels: dict[str, list[Prediction]] = {"order": [], "refund": [], "rental": []}
        reported = []
        for place, row in enumerate(rows):
            new = self.random.random() < new_share
            right = self.random.random() < (0.1 if new else 0.9)
            row.answer, other = self.random.sample(["order", "refund"], 2)
            row.confidence = min(1.0, max(0.05, self.random.gauss(0.3 if new else 0.9 if right else 0.6, 0.1)))
            row.end_user = f"{number} {place}"
            if place < LABELS:
                labels[row.answer if right else "rental" if new else other].append(row)
            elif not right and self.random.random() < 0.3:
                reported.append(row)
        for said, those in labels.items():
            self.traffic.label(those, said, at=until - timedelta(days=1))
        self.traffic.report(reported, FeedbackKind.ERROR)
        self.session.flush()
        return until


def run(year: Year, weeks: range, *, new_share: float = 0.0) -> None:
    for number in weeks:
        until = year.week(number, new_share=new_share)
        labels = read_monitor(year.session, model=year.workshop.model, judge=exact, until=until)[0]
        assert labels.n == LABELS


def serious(alerts: list[Alert]) -> list[Alert]:
    return [alert for alert in alerts if alert.level is AlertLevel.ALERT]


def test_a_year_without_change_raises_no_alert(session: TenantSession, workshop: Workshop, traffic: Traffic) -> None:
    year = Year(session, workshop, traffic, seed=1)
    run(year, range(52))
    assert serious(alerts_of(session, workshop.model.id)) == []


def test_a_new_kind_of_question_is_an_alert_within_eight_weeks(
    session: TenantSession, workshop: Workshop, traffic: Traffic
) -> None:
    """From week 13 on, 15 of 100 questions are of a kind that the model was not trained for."""
    year = Year(session, workshop, traffic, seed=2)
    run(year, range(CHANGE))
    assert serious(alerts_of(session, workshop.model.id)) == []
    run(year, range(CHANGE, CHANGE + 8), new_share=0.15)
    alerts = alerts_of(session, workshop.model.id)
    assert AlertKind.ACCURACY in {alert.kind for alert in serious(alerts)}
    assert AlertKind.TRAFFIC in {alert.kind for alert in alerts}
    opened = min(alert.opened_at for alert in alerts if alert.kind is AlertKind.TRAFFIC)
    assert opened <= year.begin + timedelta(weeks=CHANGE + 4)

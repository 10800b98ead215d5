"""What counts as a label, how certain an alarm is, and what is shown about those who labelled."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from tests.monitoring.traffic import Traffic, read
from tests.support.cycles import Workshop
from tuneloop.kit.clock import now
from tuneloop.kit.tenancy import TenantSession
from tuneloop.monitoring.accuracy import rests_on_one_week
from tuneloop.monitoring.alerts import alerts_of, events_of
from tuneloop.stats.control_charts import DriftChart
from tuneloop.tables import (
    AlertChange,
    AlertKind,
    AlertLevel,
    AlertState,
    Prediction,
    ReviewItem,
    ReviewLabel,
    ReviewPurpose,
    ReviewState,
)


@pytest.fixture
def queue(session: TenantSession, traffic: Traffic) -> "Queue":
    return Queue(session, traffic)


class Queue:
    """Settled items of the review queue."""

    def __init__(self, session: TenantSession, traffic: Traffic) -> None:
        self.session = session
        self.traffic = traffic

    def settle(
        self,
        rows: Sequence[Prediction],
        expected: str,
        *,
        by: Sequence[str] = ("Ann",),
        blind: bool = True,
        chance: float | None = None,
    ) -> None:
        for row in rows:
            item = ReviewItem(
                client_id=row.client_id,
                model_id=row.model_id,
                purpose=ReviewPurpose.SAMPLE,
                reason="random",
                state=ReviewState.DONE,
                prediction_id=row.id,
                messages=row.messages,
                inclusion_probability=chance,
                expected=expected,
                category=expected,
                closed_at=now(),
            )
            self.session.add(item)
            self.session.flush()
            for name in by:
                self.session.add(
                    ReviewLabel(
                        client_id=row.client_id,
                        item_id=item.id,
                        labeller=name,
                        expected=expected,
                        category=expected,
                        blind=blind,
                    )
                )
        self.session.flush()

    def week(self, right: int, wrong: int, *, by: Sequence[str] = ("Ann",)) -> None:
        rows = self.traffic.answers(right + wrong, at=now())
        self.settle(rows[:right], "order", by=by)
        self.settle(rows[right:], "rental", by=by)


def test_labels_of_the_queue_count_by_their_chance_to_be_drawn(
    session: TenantSession, workshop: Workshop, traffic: Traffic, queue: Queue
) -> None:
    """Unsure answers were drawn five times as often, so each stands for a fifth of a sure one."""
    sure, unsure = traffic.answers(40), traffic.answers(40, confidence=0.4)
    queue.settle(sure, "order", chance=0.1)
    queue.settle(unsure[:20], "order", chance=0.5)
    queue.settle(unsure[20:], "rental", chance=0.5)
    reading = read(session, workshop)["labels"]
    accuracy = reading.detail["accuracy"]
    assert (accuracy["n"], round(accuracy["value"], 4)) == (80, round((400 + 40) / 480, 4))
    assert accuracy["effective_n"] < 80
    assert reading.detail["charted"][1] == round(accuracy["effective_n"])


def test_a_label_by_somebody_who_saw_the_answer_does_not_count(
    session: TenantSession, workshop: Workshop, traffic: Traffic, queue: Queue
) -> None:
    rows = traffic.answers(30)
    queue.settle(rows[:20], "order")
    queue.settle(rows[20:], "order", blind=False)
    reading = read(session, workshop)["labels"]
    assert (reading.n, reading.detail["seen"]) == (20, 10)
    assert "10 labels don't count" in reading.detail["note"]


def test_a_label_that_comes_late_counts_once(
    session: TenantSession, workshop: Workshop, traffic: Traffic, queue: Queue
) -> None:
    rows = traffic.answers(30, at=now() - timedelta(days=3))
    queue.settle(rows[:20], "order")
    assert read(session, workshop)["labels"].n == 20
    queue.settle(rows[20:], "order")
    assert read(session, workshop)["labels"].n == 10
    assert read(session, workshop)["labels"].n == 0


def test_an_old_answer_s_label_no_longer_counts(
    session: TenantSession, workshop: Workshop, traffic: Traffic, queue: Queue
) -> None:
    queue.settle(traffic.answers(20, at=now() - timedelta(days=29)), "order")
    assert read(session, workshop)["labels"].n == 0


def test_one_bad_week_warns_and_the_next_confirms(session: TenantSession, workshop: Workshop, queue: Queue) -> None:
    queue.week(30, 30)
    read(session, workshop)
    (alert,) = alerts_of(session, workshop.model.id)
    assert (alert.kind, alert.level) == (AlertKind.ACCURACY, AlertLevel.WARN)
    assert alert.summary.endswith("It rests on the labels of one week; those of the next will confirm it or not.")
    queue.week(40, 20)
    read(session, workshop)
    assert alert.level == AlertLevel.ALERT
    assert [event.change for event in events_of(session, alert.id)] == [AlertChange.OPENED, AlertChange.RAISED]


def test_one_bad_week_that_is_not_confirmed_ends_by_itself(
    session: TenantSession, workshop: Workshop, queue: Queue
) -> None:
    queue.week(38, 22)
    read(session, workshop)
    (alert,) = alerts_of(session, workshop.model.id)
    assert alert.level is AlertLevel.WARN
    queue.week(59, 1)
    read(session, workshop)
    assert (alert.state, alert.resolved_by) == (AlertState.RESOLVED, "monitor")
    assert alert.resolution == "Not confirmed: 60 labels since then show no such change."


def test_two_labellers_who_agree_confirm_a_bad_week(session: TenantSession, workshop: Workshop, queue: Queue) -> None:
    queue.week(30, 30, by=("Ann", "Bo"))
    read(session, workshop)
    assert alerts_of(session, workshop.model.id)[0].level is AlertLevel.ALERT


def test_a_new_labeller_has_to_agree_with_those_before(
    session: TenantSession, workshop: Workshop, traffic: Traffic, queue: Queue
) -> None:
    queue.week(18, 2, by=("Ann",))
    read(session, workshop)
    levels = []
    for _ in range(4):
        queue.week(30, 30, by=("Bo",))
        read(session, workshop)
        (alert,) = alerts_of(session, workshop.model.id)
        levels.append(alert.level)
    assert levels == [AlertLevel.WARN] * 4
    assert all("Most labels are by Bo, new here" in event.summary for event in events_of(session, alert.id))
    queue.week(30, 30, by=("Bo",))
    read(session, workshop)
    assert alert.level == AlertLevel.ALERT


def test_a_new_labeller_who_agrees_is_believed(
    session: TenantSession, workshop: Workshop, traffic: Traffic, queue: Queue
) -> None:
    queue.week(18, 2, by=("Ann",))
    read(session, workshop)
    rows = traffic.answers(12)
    queue.settle(rows[:8], "order", by=("Ann", "Bo"))
    queue.settle(rows[8:], "rental", by=("Ann", "Bo"))
    queue.week(30, 30, by=("Bo",))
    reading = read(session, workshop)["labels"]
    assert reading.detail["new_labellers"] == ["Bo"]
    agreement = reading.detail["new_labellers_agree"]
    assert (agreement["kappa"], agreement["n"]) == (1, 12)
    assert reading.detail["labellers"] == {"Bo": 72, "Ann": 12}
    assert "new here" not in alerts_of(session, workshop.model.id)[0].summary


@pytest.mark.parametrize(
    ("weeks", "one"),
    [([(30, 60)], True), ([(54, 60), (54, 60), (30, 60)], True), ([(54, 60), (46, 60), (44, 60), (44, 60)], False)],
)
def test_what_rests_on_one_week(weeks: list[tuple[int, int]], one: bool) -> None:
    chart = DriftChart((90, 100))
    for week in weeks:
        reading = chart.observe(*week)
    assert reading.alarm
    assert rests_on_one_week(chart) is one


def test_one_category_s_fall_is_an_alert_of_its_own(
    session: TenantSession, workshop: Workshop, traffic: Traffic, queue: Queue
) -> None:
    """Overall accuracy barely moves; `order` is asked rarely, and mostly answered wrongly."""
    for _ in range(2):
        refunds, orders = traffic.answers(90, at=now(), category="refund"), traffic.answers(8, at=now())
        queue.settle([*refunds[:85], *orders[:1]], "refund")
        queue.settle(refunds[85:], "rental")
        queue.settle(orders[1:], "rental")
        wrong = traffic.answers(10, at=now(), category="refund")
        queue.settle(wrong, "order")
        readings = read(session, workshop)
    assert not readings["labels"].alarm
    (alert,) = alerts_of(session, workshop.model.id)
    assert (alert.kind, alert.level) == (AlertKind.CATEGORY, AlertLevel.ALERT)
    assert alert.evidence["fallen"] == ["order"]
    assert "order from 90 %" in alert.summary

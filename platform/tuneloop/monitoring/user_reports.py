"""Reports: how often users flag or correct an answer. A biased sample, so it is a rate of its own, never accuracy."""

from sqlalchemy import ColumnElement, Text, cast
from sqlmodel import Session, col, func, select

from tuneloop.evaluation.service import rate_of
from tuneloop.monitoring.periods import Period, keep, new_reading
from tuneloop.registry.service import policy_of
from tuneloop.stats.control_charts import HORIZON
from tuneloop.stats.intervals import Rate
from tuneloop.stats.user_reports import ReportsChart, ReportsState
from tuneloop.tables import Feedback, FeedbackKind, Prediction, Reading

BASELINE_ANSWERS = 100
"""Answers that make the baseline: those of a version's first readings."""


def read_reports(session: Session, period: Period) -> Reading:
    """Share of answers that were reported or corrected; the chart counts each person once a period."""
    answers = session.exec(select(func.count(col(Prediction.id))).where(*period.answered)).one()
    query = (
        select(func.count(func.distinct(Feedback.prediction_id)), func.count(func.distinct(_reporter())))
        .join(Prediction, col(Prediction.id) == Feedback.prediction_id)
        .where(*period.answered, col(Feedback.kind).in_([FeedbackKind.ERROR, FeedbackKind.CORRECTION]))
    )
    reported, reporters = session.exec(query).one()
    rate = Rate(reported, answers)
    reading = new_reading(
        period, "reports", answers, reported=rate_of(rate), reporters=reporters, per_thousand=_per_thousand(rate)
    )
    if answers:
        reading.value = rate.value
        _chart(period, reading, reporters, answers)
    return reading


def _reporter() -> ColumnElement[str]:
    """Whose answer it was, where the client's application says so; else each answer counts as one person's."""
    return func.coalesce(col(Prediction.end_user), cast(Prediction.id, Text))


def _chart(period: Period, reading: Reading, reporters: int, answers: int) -> None:
    state: ReportsState | None = period.monitor.charts.get("reports")
    if state is None or state["baseline"][1] < BASELINE_ANSWERS:
        before, seen = state["baseline"] if state else (0, 0)
        baseline = (before + reporters, seen + answers)
        chart = ReportsChart(baseline, false_alarm_rate=policy_of(period.model).false_alarm_rate, horizon=HORIZON)
        reading.detail["note"] = "Part of the baseline: later periods are compared with it."
    else:
        if len(state["weeks"]) >= HORIZON:
            state = {**state, "weeks": []}
        chart = ReportsChart.from_dict(state)
        found = chart.observe(reporters, answers)
        reading.statistic, reading.threshold, reading.alarm = found.statistic, found.threshold, found.alarm
        reading.detail["baseline"] = rate_of(Rate(*chart.baseline))
    keep(period.monitor, "reports", chart.to_dict())


def _per_thousand(rate: Rate) -> float | None:
    return 1000 * rate.value if rate.n else None

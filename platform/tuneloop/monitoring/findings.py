"""From the readings of a period to what is wrong, in words, with everything that was known at that moment."""

from collections.abc import Mapping

from sqlmodel import Session, col, select

from tuneloop.evals.service import rate_of
from tuneloop.monitoring.alerts import Finding
from tuneloop.monitoring.figures import pooled
from tuneloop.registry.service import policy_of
from tuneloop.stats.charts import DriftChart
from tuneloop.stats.intervals import Rate, describe
from tuneloop.tables import AlertKind, AlertLevel, EvalRun, Monitor, Reading, RegisteredModel

FALLEN_FROM = 5
"""Fewest labels in a category before it is named as fallen."""

READINGS_POOLED = 4
"""Readings whose labels are taken together for a category: one week has too few."""


def accuracy_finding(
    session: Session, model: RegisteredModel, monitor: Monitor, readings: Mapping[str, Reading]
) -> Finding:
    """The chart of all labels has crossed its threshold."""
    labels = readings["labels"]
    chart = DriftChart.from_dict(monitor.charts["labels"])
    recent = Rate(round((labels.value or 0) * labels.n), labels.n)
    fallen = fallen_categories(session, monitor)
    names = f" Most of it: {', '.join(fallen)}." if fallen else ""
    rate = policy_of(model).false_alarm_rate
    return Finding(
        kind=AlertKind.ACCURACY,
        level=AlertLevel.ALERT,
        summary=(
            f"Accuracy on sampled traffic fell from {describe(chart.baseline)} to {describe(recent)}. "
            f"A model that had not changed would raise such an alarm in less than {100 * rate:.0f} % of years.{names}"
        ),
        evidence={
            "baseline": rate_of(chart.baseline),
            "current": rate_of(recent),
            "weeks": [list(week) for week in chart.weeks],
            "statistic": labels.statistic,
            "threshold": labels.threshold,
            "false_alarms_a_year": rate,
            "categories": labels.detail["categories"],
            "fallen": fallen,
            **_circumstances(readings),
        },
    )


def fallen_categories(session: Session, monitor: Monitor) -> list[str]:
    """Categories whose accuracy is clearly below the baseline's: their whole interval is. Worst first."""
    baseline = session.get_one(EvalRun, monitor.baseline_run_id)
    found: list[tuple[float, str]] = []
    for category, rate in recent_categories(session, monitor).items():
        before = baseline.categories.get(category)
        level = before["correct"] / before["n"] if before else baseline.correct / baseline.n
        if rate.n >= FALLEN_FROM and rate.interval.high < level:
            found.append((rate.value, category))
    return [category for _, category in sorted(found)]


def recent_categories(session: Session, monitor: Monitor) -> dict[str, Rate]:
    """Labels of the latest readings by category."""
    latest = session.exec(
        select(Reading)
        .where(Reading.monitor_id == monitor.id, Reading.stream == "labels", col(Reading.n) > 0)
        .order_by(col(Reading.at).desc())
        .limit(READINGS_POOLED)
    ).all()
    names = sorted({category for reading in latest for category in reading.detail["categories"]})
    return {
        name: pooled(reading.detail["categories"][name] for reading in latest if name in reading.detail["categories"])
        for name in names
    }


def _circumstances(readings: Mapping[str, Reading]) -> dict[str, object]:
    """What the other streams said at the same time."""
    confidence, reports = readings["confidence"], readings["reports"]
    return {
        "confidence": {"value": confidence.value, "p_value": confidence.p_value, "n": confidence.n} | confidence.detail,
        "reports": reports.detail["reported"],
    }

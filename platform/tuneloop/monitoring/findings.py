"""From the readings of a period to what is wrong, in words, with everything that was known at that moment."""

from collections.abc import Mapping
from typing import Any

from sqlmodel import Session, col, select

from tuneloop.evaluation.service import rate_of
from tuneloop.kit import figures
from tuneloop.monitoring.accuracy import agrees, chart_of, labels_are_trusted, rests_on_one_week
from tuneloop.monitoring.alert_series import accuracy_series, category_series, reports_series
from tuneloop.monitoring.alert_words import NOT_A_SAMPLE, by_chance, weighted
from tuneloop.monitoring.alerts import AlertFinding
from tuneloop.monitoring.rates import pooled
from tuneloop.registry.service import policy_of
from tuneloop.stats.intervals import Rate, describe
from tuneloop.tables import AlertKind, AlertLevel, EvalRun, Monitor, Reading, RegisteredModel

FALLEN_FROM = 5
"""Fewest labels in a category before it is named as fallen."""

READINGS_POOLED = 4
"""Readings whose labels are taken together for a category: one week has too few."""

Readings = Mapping[str, Reading]


def accuracy_finding(session: Session, model: RegisteredModel, monitor: Monitor, readings: Readings) -> AlertFinding:
    """The chart of all labels has crossed its threshold."""
    labels = readings["labels"]
    chart = chart_of(monitor)
    current = labels.detail["accuracy"]
    fallen = fallen_categories(session, monitor)
    named = sorted({*fallen, *labels.detail.get("category_alarms", ())})
    rate = policy_of(model).false_alarm_rate
    doubts = doubts_about(labels, one_week=rests_on_one_week(chart), confirmed=_confirmed(readings))
    sentences = [
        f"Accuracy on sampled traffic fell from {describe(chart.baseline)} to {figures.rate(current)}.",
        *filter(None, [weighted(current, len(labels.detail["wrong"]))]),
        by_chance(rate),
        *([f"Most of it: {', '.join(fallen)}."] if fallen else []),
        *doubts,
    ]
    return AlertFinding(
        kind=AlertKind.ACCURACY,
        level=AlertLevel.WARN if doubts else AlertLevel.ALERT,
        summary=" ".join(sentences),
        evidence={
            "baseline": rate_of(chart.baseline),
            "current": current,
            "weeks": [list(week) for week in chart.weeks],
            "series": accuracy_series(session, monitor.id, until=labels.at),
            "statistic": labels.statistic,
            "threshold": labels.threshold,
            "false_alarms_a_year": rate,
            "categories": labels.detail["categories"],
            "fallen": named,
            "before": _before(session, monitor, named),
            "doubts": doubts,
            "wrong": labels.detail["wrong"],
            "labellers": labels.detail["labellers"],
            **_circumstances(readings),
        },
    )


def category_finding(session: Session, model: RegisteredModel, monitor: Monitor, readings: Readings) -> AlertFinding:
    """Charts of single categories have crossed their common threshold."""
    labels = readings["labels"]
    names = labels.detail["category_alarms"]
    recent = recent_categories(session, monitor)
    run = session.get_one(EvalRun, monitor.baseline_run_id)
    before = {name: Rate(run.categories[name]["correct"], run.categories[name]["n"]) for name in names}
    rate = policy_of(model).false_alarm_rate
    doubts = doubts_about(labels, one_week=not _alarmed_before(session, monitor, names), confirmed=_confirmed(readings))
    moves = "; ".join(f"{name} from {describe(before[name])} to {describe(recent[name])}" for name in names)
    sentences = [
        f"Accuracy on sampled traffic fell in {moves}.",
        by_chance(rate, "the categories"),
        *doubts,
    ]
    return AlertFinding(
        kind=AlertKind.CATEGORY,
        level=AlertLevel.WARN if doubts else AlertLevel.ALERT,
        summary=" ".join(sentences),
        evidence={
            "fallen": names,
            "before": _before(session, monitor, names),
            "categories": {name: rate_of(recent[name]) for name in names},
            "series": category_series(session, monitor.id, names, until=labels.at),
            "statistics": {name: labels.detail["category_statistics"][name] for name in names},
            "false_alarms_a_year": rate,
            "doubts": doubts,
            "wrong": labels.detail["wrong"],
            "labellers": labels.detail["labellers"],
            **_circumstances(readings),
        },
    )


def reports_finding(session: Session, monitor: Monitor, readings: Readings) -> AlertFinding:
    """Users report more answers than they used to."""
    reports = readings["reports"]
    now, before = reports.detail["reported"], reports.detail["baseline"]
    return AlertFinding(
        kind=AlertKind.REPORTS,
        level=AlertLevel.WARN,
        summary=(
            f"Users report more answers: {figures.rate(now, 1)}, where it was {figures.rate(before, 1)}. {NOT_A_SAMPLE}"
        ),
        evidence={
            "baseline": before,
            "current": now,
            "series": reports_series(session, monitor.id, until=reports.at),
            "reporters": reports.detail["reporters"],
            "statistic": reports.statistic,
            "threshold": reports.threshold,
        },
    )


def doubts_about(labels: Reading, *, one_week: bool, confirmed: bool) -> list[str]:
    """Why labels alone might mislead, each with what settles it; none when there is no reason to wait."""
    doubts = []
    if not labels_are_trusted(labels.detail):
        names = ", ".join(labels.detail["new_labellers"])
        doubts.append(
            f"Most labels are by {names}, new here: whether they agree with those before is not shown yet; let both "
            "label the same answers."
        )
    if one_week and not confirmed:
        doubts.append("It rests on the labels of one week; those of the next will confirm it or not.")
    return doubts


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
    latest = _latest_labels(session, monitor)
    names = sorted({category for reading in latest for category in reading.detail["categories"]})
    return {
        name: pooled(reading.detail["categories"][name] for reading in latest if name in reading.detail["categories"])
        for name in names
    }


def _before(session: Session, monitor: Monitor, names: list[str]) -> dict[str, Any]:
    """Of these categories, what the version's own evaluation said; nothing for those that it did not contain."""
    counts = session.get_one(EvalRun, monitor.baseline_run_id).categories
    return {name: rate_of(Rate(counts[name]["correct"], counts[name]["n"])) for name in names if name in counts}


def _latest_labels(session: Session, monitor: Monitor) -> list[Reading]:
    query = select(Reading).where(Reading.monitor_id == monitor.id, Reading.stream == "labels", col(Reading.n) > 0)
    return list(session.exec(query.order_by(col(Reading.at).desc()).limit(READINGS_POOLED)))


def _alarmed_before(session: Session, monitor: Monitor, names: list[str]) -> bool:
    """Whether one of these categories alarmed in an earlier reading too."""
    return any(set(names) & set(row.detail.get("category_alarms", ())) for row in _latest_labels(session, monitor)[1:])


def _confirmed(readings: Readings) -> bool:
    """Another stream saw something at the same time, or two labellers agree on this week's answers."""
    others = readings["confidence"].alarm or readings["reports"].alarm
    return others or agrees(readings["labels"].detail.get("double_labelled"))


def _circumstances(readings: Readings) -> dict[str, object]:
    """What the other streams said at the same time."""
    confidence, reports = readings["confidence"], readings["reports"]
    return {
        "confidence": {"value": confidence.value, "p_value": confidence.p_value, "n": confidence.n} | confidence.detail,
        "reports": reports.detail["reported"],
    }

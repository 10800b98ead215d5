"""Accuracy on today's traffic, from the labelled random sample, and whether it has fallen."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
from sqlmodel import Session, col, select

from tuneloop.evaluation.marking import Marking
from tuneloop.evaluation.service import rate_of
from tuneloop.monitoring.labels import Labelled, Sample, agreement_between, double_labelled, labelled_sample
from tuneloop.monitoring.periods import Period, keep, new_reading, traffic_between
from tuneloop.registry.service import policy_of
from tuneloop.stats.agreement import Agreement
from tuneloop.stats.categories import CategoryCharts, CategoryState
from tuneloop.stats.control_charts import HORIZON, DriftChart
from tuneloop.stats.estimates import Estimate, best, hajek, plain
from tuneloop.stats.intervals import Rate
from tuneloop.tables import EvalRun, Monitor, Reading

YEAR = timedelta(days=365)
KNOWN_LABELLERS = 12
"""Readings whose labellers count as known."""

LONG_KNOWN = 4
"""Readings after which a labeller is not new any more, agreement or not."""

UNEQUAL = 1.05
"""Largest ratio of drawing chances that is still a uniform sample."""

FEWEST_PAIRS = 10
GOOD_KAPPA = 0.6


def read_labels(session: Session, period: Period, judge: Marking) -> Reading:
    """The week's labels on the charts. `detail` holds all that an alert needs to explain itself."""
    sample = labelled_sample(session, period, judge)
    estimate = _estimate(session, period, sample.items)
    reading = new_reading(
        period,
        "labels",
        len(sample.items),
        accuracy=accuracy_dict(estimate) if estimate else rate_of(Rate(0, 0)),
        categories=_by_category(sample.items),
        answers=[str(item.prediction_id) for item in sample.items],
        wrong=[str(item.prediction_id) for item in sample.items if not item.correct],
        pairs=[[item.confidence, item.correct] for item in sample.items if item.confidence is not None],
        seen=sample.seen,
        labellers=sample.labellers,
        **_labellers(session, period, sample),
    )
    if estimate:
        _chart(period, reading, estimate)
        _chart_categories(session, period, reading, sample.items)
    if sample.seen:
        reading.detail["note"] = f"{sample.seen} labels don't count: the labeller had seen the model's answer."
    return reading


def accuracy_dict(estimate: Estimate) -> dict[str, Any]:
    return {
        "value": estimate.value,
        "n": estimate.n,
        "low": estimate.low,
        "high": estimate.high,
        "effective_n": estimate.effective_n,
    }


def chart_of(monitor: Monitor) -> DriftChart:
    return DriftChart.from_dict(monitor.charts["labels"])


def rests_on_one_week(chart: DriftChart) -> bool:
    """Whether the evidence is gone, or mostly so, without the single worst week."""
    state = chart.to_dict()
    level = chart.baseline.value
    worst = min(state["weeks"], key=lambda week: week[0] - level * week[1])
    rest = [week for week in state["weeks"] if week is not worst]
    if not rest:
        return True
    without = DriftChart.from_dict({**state, "weeks": rest[:-1]})
    return without.observe(*rest[-1]).statistic < chart.threshold / 2


def _estimate(session: Session, period: Period, items: Sequence[Labelled]) -> Estimate | None:
    """Weighted where chances differ, sharpened by confidence where that helps, else plain."""
    if not items:
        return None
    correct = np.array([item.correct for item in items], dtype=bool)
    chances = np.array([item.chance or np.nan for item in items], dtype=float)
    if not np.isnan(chances).any() and chances.max() > UNEQUAL * chances.min():
        return hajek(correct, chances)
    confidences = [item.confidence for item in items]
    everything = traffic_between(session, period.monitor, period.since, period.until).confidence
    if any(value is None for value in confidences) or len(everything) <= len(items):
        return plain(correct)
    return best(correct, np.array(confidences, dtype=float), everything)


def _chart(period: Period, reading: Reading, estimate: Estimate) -> None:
    """Weighted labels count for as many as a plain sample of the same precision would have."""
    monitor = period.monitor
    chart = _current_chart(monitor, reading)
    correct, n = _counts(reading, estimate)
    seen = chart.observe(correct, n)
    reading.value, reading.alarm = estimate.value, seen.alarm
    reading.statistic, reading.threshold = seen.statistic, seen.threshold
    reading.detail["guaranteed"] = seen.guaranteed
    reading.detail["charted"] = [correct, n]
    keep(monitor, "labels", chart.to_dict())


def _counts(reading: Reading, estimate: Estimate) -> tuple[int, int]:
    right = sum(round((rate["value"] or 0) * rate["n"]) for rate in reading.detail["categories"].values())
    if estimate.effective_n >= estimate.n:
        return right, estimate.n
    n = max(1, round(estimate.effective_n))
    return min(n, round(estimate.value * n)), n


def _current_chart(monitor: Monitor, reading: Reading) -> DriftChart:
    chart = chart_of(monitor)
    current = chart.continued()
    if current.design.overdispersion != chart.design.overdispersion:
        reading.detail["overdispersion"] = current.design.overdispersion
    return current


def _chart_categories(session: Session, period: Period, reading: Reading, items: Sequence[Labelled]) -> None:
    monitor = period.monitor
    state: CategoryState | None = monitor.charts.get("categories")
    if state is not None:
        weeks = state["weeks"] if len(state["weeks"]) < HORIZON else []
        charts = CategoryCharts.from_dict({**state, "weeks": weeks})
    else:
        run = session.get_one(EvalRun, monitor.baseline_run_id)
        charts = CategoryCharts(
            {name: (counts["correct"], counts["n"]) for name, counts in run.categories.items()},
            false_alarm_rate=policy_of(period.model).false_alarm_rate,
            horizon=HORIZON,
        )
    right = Counter(item.category for item in items if item.correct)
    counts = {name: (right[name], n) for name, n in Counter(item.category for item in items).items()}
    seen = charts.observe(counts)
    reading.detail["category_alarms"] = sorted(name for name, each in seen.items() if each.alarm)
    reading.detail["category_statistics"] = {
        name: {"statistic": each.statistic, "threshold": each.threshold} for name, each in seen.items()
    }
    keep(monitor, "categories", charts.to_dict())


def _labellers(session: Session, period: Period, sample: Sample) -> dict[str, Any]:
    """Whether somebody new labelled most of it, and how far that person agrees with those before."""
    double = double_labelled(session, [item.prediction_id for item in sample.items])
    known = _known_labellers(session, period.monitor)
    new = sorted(set(sample.labellers) - known) if known else []
    by_new = sum(1 for item in sample.items if set(item.labellers) <= set(new))
    changed = 2 * by_new > len(sample.items) > 0
    agreement = (
        agreement_between(session, period.model.id, new, sorted(known), since=period.until - YEAR) if changed else None
    )
    return {
        "double_labelled": _agreement(double),
        "new_labellers": new if changed else [],
        "new_labellers_agree": _agreement(agreement),
    }


def labels_are_trusted(detail: Mapping[str, Any]) -> bool:
    """False when new labellers did most of the week and have not been shown to agree with the known ones."""
    return not detail.get("new_labellers") or agrees(detail.get("new_labellers_agree"))


def agrees(agreement: Mapping[str, Any] | None) -> bool:
    return agreement is not None and agreement["n"] >= FEWEST_PAIRS and agreement["kappa"] >= GOOD_KAPPA


def _known_labellers(session: Session, monitor: Monitor) -> set[str]:
    """Those of earlier readings, without those who were new then, unless they have been there for long."""
    rows = session.exec(
        select(Reading)
        .where(Reading.model_id == monitor.model_id, Reading.stream == "labels", col(Reading.n) > 0)
        .order_by(col(Reading.at).desc())
        .limit(KNOWN_LABELLERS)
    )
    seen: Counter[str] = Counter()
    accepted: set[str] = set()
    for reading in rows:
        names = set(reading.detail.get("labellers", ()))
        seen.update(names)
        accepted |= names if labels_are_trusted(reading.detail) else names - set(reading.detail["new_labellers"])
    return accepted | {name for name, times in seen.items() if times >= LONG_KNOWN}


def _agreement(found: Agreement | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"kappa": found.kappa, "low": found.low, "high": found.high, "n": found.n, "observed": found.observed}


def _by_category(items: Sequence[Labelled]) -> dict[str, Any]:
    right = Counter(item.category for item in items if item.correct)
    return {
        category: rate_of(Rate(right[category], n))
        for category, n in sorted(Counter(item.category for item in items).items())
    }

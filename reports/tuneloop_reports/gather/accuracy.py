"""Accuracy on labelled production answers by month, and by category within one."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select

from tuneloop.clients.months import Month
from tuneloop.stats.intervals import Rate, newcombe_difference
from tuneloop.tables import EvalRun, Reading, RegisteredModel
from tuneloop_reports.content import Category, CategoryKind, Difference, MonthPoint, ReportRate

MONTHS = 12


def by_month(session: Session, model: RegisteredModel, month: Month, zone: ZoneInfo) -> dict[Month, list[Reading]]:
    """Label readings of the last `MONTHS` months. A reading belongs to the month in which its period ended."""
    first = month
    for _ in range(MONTHS - 1):
        first = first.previous
    start, end = first.span(zone).start, month.span(zone).end
    rows = session.exec(
        select(Reading)
        .where(Reading.model_id == model.id, Reading.stream == "labels", col(Reading.n) > 0)
        .where(col(Reading.at) >= start, col(Reading.at) < end)
        .order_by(col(Reading.at))
    )
    readings: dict[Month, list[Reading]] = defaultdict(list)
    for row in rows:
        readings[Month.of(row.at, zone)].append(row)
    return readings


def points(readings: Mapping[Month, Sequence[Reading]]) -> tuple[MonthPoint, ...]:
    return tuple(MonthPoint(month=str(month), accuracy=accuracy(readings[month])) for month in sorted(readings))


def accuracy(readings: Iterable[Reading]) -> ReportRate:
    """All readings together. Its interval rests on the effective number of labels where the sample was weighted."""
    return pooled(reading.detail["accuracy"] for reading in readings)


def pooled(rates: Iterable[Mapping[str, Any]]) -> ReportRate:
    """Rates as readings store them, weighted by their labels."""
    right, n, effective = 0.0, 0, 0.0
    for rate in rates:
        if rate["n"]:
            right += (rate["value"] or 0.0) * rate["n"]
            n += rate["n"]
            effective += min(rate.get("effective_n") or rate["n"], rate["n"])
    if not n:
        return figure(Rate(0, 0))
    value = right / n
    size = max(1, round(effective))
    low, high = Rate(min(size, round(value * size)), size).interval
    return ReportRate(value=value, n=n, low=min(low, value), high=max(high, value))


def figure(rate: Rate) -> ReportRate:
    low, high = rate.interval
    return ReportRate(value=rate.value if rate.n else None, n=rate.n, low=low, high=high)


def rate_of(rate: ReportRate) -> Rate:
    return Rate(min(rate.n, round((rate.value or 0.0) * rate.n)), rate.n)


def difference(before: ReportRate, after: ReportRate) -> Difference | None:
    """On different answers; None unless both were measured."""
    if before.value is None or after.value is None:
        return None
    low, high = newcombe_difference(rate_of(before), rate_of(after))
    return Difference(value=after.value - before.value, low=low, high=high)


def categories(readings: Sequence[Reading], baseline: EvalRun | None) -> tuple[Category, ...]:
    """Every category with an answer this month, most answers first."""
    by_name: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for reading in readings:
        for name, rate in reading.detail.get("categories", {}).items():
            by_name[name].append(rate)
    found = []
    for name, rates in by_name.items():
        now = pooled(rates)
        counts = baseline.categories.get(name) if baseline else None
        before = figure(Rate(counts["correct"], counts["n"])) if counts else None
        found.append(
            Category(
                name=name,
                kind=CategoryKind.NEW if baseline and not before else CategoryKind.KNOWN,
                now=now,
                before=before,
                change=difference(before, now) if before else None,
            )
        )
    return tuple(sorted(found, key=lambda each: (-each.now.n, each.name)))

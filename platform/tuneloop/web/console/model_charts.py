"""A model's history as charts."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from tuneloop.charts.accuracy import accuracy_over_time, category, reports_rate
from tuneloop.charts.confidence import confidence_then_and_now
from tuneloop.charts.data import Distribution, Marker, Point
from tuneloop.charts.marks import floor_of
from tuneloop.monitoring.schemas import Confidences, History
from tuneloop.monitoring.schemas import Point as Measured

Spec = dict[str, Any]


class Panel(NamedTuple):
    """One category: `latest` is its newest figure, `spec` None before there was any."""

    name: str
    baseline: Any
    latest: Any
    alarm: bool
    spec: Spec | None


class ModelCharts(NamedTuple):
    accuracy: Spec | None
    reports: Spec | None
    confidence: Spec | None
    categories: list[Panel]


def charts_of(history: History) -> ModelCharts:
    points, happened = _points(history.accuracy), _markers(history)
    level = history.baseline.value if history.baseline else None
    then, now = history.confidence_then, history.confidence_now
    reports = _points(history.reports)
    return ModelCharts(
        accuracy=accuracy_over_time(points, level=level, estimate=_points(history.label_free), happened=happened)
        if points or history.label_free
        else None,
        reports=reports_rate(reports, happened=happened) if reports else None,
        confidence=confidence_then_and_now(_bins(then), _bins(now)) if then and now and then.n and now.n else None,
        categories=_panels(history),
    )


def _panels(history: History) -> list[Panel]:
    """Fallen ones first, then by name; all on one scale."""
    series = {each.category: (each, _points(each.points)) for each in history.categories}
    lowest = floor_of([point for _, points in series.values() for point in points])
    panels = []
    for name, (each, points) in series.items():
        level = each.baseline.value if each.baseline else None
        panels.append(
            Panel(
                name=name,
                baseline=each.baseline,
                latest=points[-1] if points else None,
                alarm=bool(points) and points[-1].alarm,
                spec=category(points, level=level, lowest=lowest) if points else None,
            )
        )
    return sorted(panels, key=lambda panel: (not panel.alarm, panel.name))


def _points(measured: Sequence[Measured]) -> list[Point]:
    return [
        Point(each.at, each.figure.value, each.figure.low, each.figure.high, each.figure.n, each.version, each.alarm)
        for each in measured
        if each.figure.value is not None
    ]


def _markers(history: History) -> list[Marker]:
    return [Marker(m.at, m.kind, m.text, f"v{m.version}" if m.version else "") for m in history.markers]


def _bins(found: Confidences) -> Distribution:
    return Distribution(found.label, found.shares, found.n)

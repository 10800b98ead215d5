"""What an alert is about, as a chart and in words: the page of the alert and its message in Slack show the same."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from tuneloop.charts.accuracy import accuracy_over_time, reports_rate
from tuneloop.charts.data import Point
from tuneloop.charts.marks import Spec, Width, says
from tuneloop.tables import Alert, AlertKind

LONGEST_WORDS = 12
"""Newest points that are told to people who don't see the chart."""


class AlertChart(NamedTuple):
    """`name` says what is measured, `words` its figures."""

    name: str
    spec: Spec
    words: str


def alert_charts(
    alert: Alert, series: Mapping[str, Sequence[Mapping[str, Any]]], *, width: Width = "container", height: int = 190
) -> list[AlertChart]:
    """One for each series that has been measured at least twice; the newest point is what raised the alert."""
    found = []
    for name, rates in series.items():
        points = [_point(rate) for rate in rates]
        if len(points) < 2:
            continue
        points[-1] = points[-1]._replace(alarm=True)
        if alert.kind is AlertKind.REPORTS:
            spec = reports_rate(points, width=width, height=height)
        else:
            before = _before(alert, name)
            spec = accuracy_over_time(points, level=before, counted=True, width=width, height=height)
        found.append(AlertChart(name, spec, _words(points)))
    return found


def _point(rate: Mapping[str, Any]) -> Point:
    return Point(datetime.fromisoformat(rate["at"]), rate["value"], rate["low"], rate["high"], rate["n"])


def _before(alert: Alert, name: str) -> float | None:
    evidence = alert.evidence
    known = evidence.get("before", {}).get(name) if alert.kind is AlertKind.CATEGORY else evidence.get("baseline")
    value: float | None = (known or {}).get("value")
    return value


def _words(points: Sequence[Point]) -> str:
    return "; ".join(f"{point.at:%-d %b} {says(point)}" for point in points[-LONGEST_WORDS:])

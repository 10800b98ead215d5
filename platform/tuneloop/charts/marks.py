"""Pieces that several charts share."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from tuneloop.charts.data import Marker, Point

Spec = dict[str, Any]
Width = int | Literal["container"]

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
TIME: Spec = {
    "field": "at",
    "type": "temporal",
    "scale": {"type": "utc", "padding": 10},
    "title": None,
    "axis": {"format": "%-d %b", "tickCount": 7, "labelOverlap": True, "labelFlush": False},
}
MONTHS: Spec = {"format": "%b", "tickCount": {"interval": "month", "step": 1}, "labelOverlap": True}


def chart(*, width: Width, height: int, layers: Sequence[Spec], **rest: Any) -> Spec:
    """A chart as wide as its place, or as told."""
    return {
        "$schema": SCHEMA,
        "width": width,
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "layer": list(layers),
        **rest,
    }


def moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def row(point: Point) -> Spec:
    """A point as data, with the sentence that its tooltip shows."""
    return {
        "at": moment(point.at),
        "value": point.value,
        "low": point.low,
        "high": point.high,
        "n": point.n,
        "group": point.group,
        "alarm": point.alarm,
        "says": says(point),
        "day": f"{point.at:%-d %b %Y}",
    }


def says(point: Point, digits: int = 0) -> str:
    return (
        f"{100 * point.value:.{digits}f} % ({100 * point.low:.{digits}f}-{100 * point.high:.{digits}f} %, n={point.n})"
    )


def share_axis(low: float, high: float = 1.0, *, digits: int = 0) -> Spec:
    """From a round number below the lowest interval, so that differences are seen; never cut at the top."""
    return {
        "type": "quantitative",
        "title": None,
        "scale": {"domain": [low, high], "nice": False},
        "axis": {"format": f".{digits}%", "tickCount": 4},
    }


def floor_of(points: Sequence[Point], also: Sequence[float] = ()) -> float:
    """A multiple of 10 % below everything shown."""
    lowest = min([*(point.low for point in points), *also], default=0.5)
    return max(0.0, int(lowest * 10 - 1e-9) / 10)


def measured(points: Sequence[Point], axis: Spec, *, title: str, small: bool = False) -> list[Spec]:
    """Interval, line, points, and alarms in their own colour."""
    data = {"values": [row(point) for point in points]}
    tooltip = [
        {"field": "day", "title": "until"},
        {"field": "says", "title": title},
        *([{"field": "group", "title": "version"}] if any(point.group for point in points) else []),
    ]
    x, y = {**TIME, **({"axis": MONTHS} if small else {})}, {"field": "value", **axis}
    return [
        {
            "data": data,
            "mark": {"type": "rule", "style": "interval"},
            "encoding": {"x": x, "y": {**axis, "field": "low"}, "y2": {"field": "high"}},
        },
        {
            "data": data,
            "mark": {"type": "line", "style": "main"},
            "encoding": {"x": x, "y": y, "detail": {"field": "group"}},
        },
        {
            "data": data,
            "transform": [{"filter": "!datum.alarm"}],
            "mark": {"type": "point", "style": "points", "filled": True},
            "encoding": {"x": x, "y": y, "tooltip": tooltip},
        },
        {
            "data": data,
            "transform": [{"filter": "datum.alarm"}],
            "mark": {"type": "point", "style": "alarms", "filled": True, "shape": "diamond"},
            "encoding": {"x": x, "y": y, "tooltip": tooltip},
        },
    ]


def counts(points: Sequence[Point], axis: Spec) -> Spec:
    """How many items each point rests on, under its interval: for pictures, which have no tooltip."""
    return {
        "data": {"values": [{**row(point), "count": f"n {point.n}"} for point in points]},
        "mark": {"type": "text", "style": "count"},
        "encoding": {"x": TIME, "y": {"field": "low", **axis}, "text": {"field": "count"}},
    }


def baseline(value: float, axis: Spec, text: str = "") -> list[Spec]:
    data = {"values": [{"value": value, "text": text}]}
    rule: Spec = {
        "data": data,
        "mark": {"type": "rule", "style": "baseline"},
        "encoding": {"y": {"field": "value", **axis}},
    }
    if not text:
        return [rule]
    words: Spec = {
        "data": data,
        "mark": {"type": "text", "style": "baseline-text"},
        "encoding": {"y": {"field": "value", **axis}, "x": {"value": "width"}, "text": {"field": "text"}},
    }
    return [rule, words]


def markers(found: Sequence[Marker]) -> list[Spec]:
    """Vertical lines for what happened, one style a kind."""
    layers: list[Spec] = []
    for kind in ("deployment", "alert", "resolution"):
        rows = [
            {"at": moment(one.at), "text": one.text, "label": one.label, "day": f"{one.at:%-d %b %Y}"}
            for one in found
            if one.kind == kind
        ]
        if not rows:
            continue
        tooltip = [{"field": "day", "title": kind}, {"field": "text", "title": "what"}]
        layers.append(
            {
                "data": {"values": rows},
                "mark": {"type": "rule", "style": kind},
                "encoding": {"x": TIME, "tooltip": tooltip},
            }
        )
        layers.append(
            {
                "data": {"values": [one for one in rows if one["label"]]},
                "mark": {"type": "text", "style": "marker-text"},
                "encoding": {"x": TIME, "y": {"value": 0}, "text": {"field": "label"}},
            }
        )
    return layers

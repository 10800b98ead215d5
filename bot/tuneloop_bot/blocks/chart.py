"""The picture of an alert: weekly accuracy against the baseline, as a Vega-Lite specification."""

from typing import Any

from tuneloop.stats.intervals import Rate

FONT = "DejaVu Sans"
INK, LINE, BAND = "#1d1c1d", "#2a5bd7", "#d9534f"


def weekly_chart(evidence: dict[str, Any], name: str) -> dict[str, Any] | None:
    """None without at least two weeks of labels. Bars are 95 % intervals, the grey line is the baseline."""
    weeks = [(correct, n) for correct, n, *_ in evidence.get("weeks", []) if n]
    baseline = evidence.get("baseline") or {}
    if len(weeks) < 2 or baseline.get("value") is None:
        return None
    points = [_point(place, Rate(round(correct), round(n))) for place, (correct, n) in enumerate(weeks, 1)]
    axis = {"labelFont": FONT, "titleFont": FONT, "labelColor": INK, "titleColor": INK, "grid": False}
    x = {"field": "week", "type": "ordinal", "title": "week", "axis": {**axis, "labelAngle": 0}}
    scale = {"domain": [max(0.0, min(each["low"] for each in points) - 0.05), 1], "zero": False}
    y = {"type": "quantitative", "title": "accuracy", "scale": scale, "axis": {**axis, "format": ".0%"}}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": {"text": f"{name}: accuracy of labelled answers", "font": FONT, "color": INK, "anchor": "start"},
        "width": 520,
        "height": 200,
        "background": "white",
        "data": {"values": points},
        "layer": [
            {
                "mark": {"type": "rule", "color": "#9a9a9a", "strokeDash": [4, 4]},
                "encoding": {"y": {"datum": baseline["value"], "type": "quantitative", "scale": scale}},
            },
            {
                "mark": {"type": "rule", "color": LINE, "opacity": 0.45, "strokeWidth": 3},
                "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
            },
            {
                "mark": {"type": "line", "color": LINE, "point": {"filled": True, "size": 60}},
                "encoding": {"x": x, "y": {**y, "field": "value"}},
            },
            {
                "mark": {"type": "text", "dy": 14, "font": FONT, "fontSize": 10, "color": "#616061"},
                "encoding": {"x": x, "y": {**y, "field": "low"}, "text": {"field": "n"}},
            },
        ],
    }


def _point(week: int, rate: Rate) -> dict[str, Any]:
    return {"week": week, "value": rate.value, "low": rate.interval.low, "high": rate.interval.high, "n": f"n {rate.n}"}

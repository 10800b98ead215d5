"""The charts of a report: the same specifications that the pages draw, as SVG."""

from base64 import b64encode
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any, Literal

import vl_convert

from tuneloop.charts.accuracy import accuracy_over_time
from tuneloop.charts.data import Marker, Point
from tuneloop.charts.draw import themed
from tuneloop.clients.months import Month
from tuneloop_reports.content import EventKind, ModelReport
from tuneloop_reports.i18n import Translator
from tuneloop_reports.style import Language, Style

WIDTH = 600
HEIGHT = 165
FONT = "Inter"
VEGA_LOCALES: dict[Language, Literal["en-GB", "de-DE"]] = {Language.ENGLISH: "en-GB", Language.GERMAN: "de-DE"}


def accuracy_chart(say: Translator, model: ModelReport, style: Style) -> str:
    """Data URI of the accuracy by month; empty when nothing was measured."""
    if not model.months:
        return ""
    points = [
        Point(
            at=_middle(each.month),
            value=each.accuracy.value or 0.0,
            low=each.accuracy.low,
            high=each.accuracy.high,
            n=each.accuracy.n,
        )
        for each in model.months
    ]
    # One marker of a kind a day: on a scale of months, more would be drawn over each other.
    last_of_day = {(event.at.date(), event.kind): event for event in model.events}
    happened = [
        Marker(
            at=event.at,
            kind="deployment" if event.kind is EventKind.DEPLOYED else "alert",
            text="",
            label=f"v{event.version}" if event.version else "",
        )
        for event in last_of_day.values()
        if event.at >= points[0].at - timedelta(days=16)
    ]
    level = model.baseline.value if model.baseline else None
    spec = accuracy_over_time(
        points,
        level=level,
        level_text=say("history.baseline", value=say.percent(level)) if level is not None else "",
        happened=happened,
        width=WIDTH,
        height=HEIGHT,
    )
    if len(points) == 1:
        month = Month.parse(model.months[0].month)
        ends = [{"year": each.year, "month": each.month, "date": 1, "utc": True} for each in (month, month.next)]
        spec = _over(spec, ends)
    return as_uri(draw(spec, style))


def _over(spec: Any, domain: list[dict[str, Any]]) -> Any:
    """The specification with all times on an axis over `domain`."""
    if isinstance(spec, list):
        return [_over(each, domain) for each in spec]
    if not isinstance(spec, dict):
        return spec
    if spec.get("type") == "temporal" and "scale" in spec:
        return {**spec, "scale": {"type": "utc", "domain": domain}}
    return {name: value if name == "data" else _over(value, domain) for name, value in spec.items()}


def draw(spec: dict[str, Any], style: Style) -> str:
    """SVG whose text stays text, in the report's colour and language."""
    vl_convert.register_font_directory(str(files("tuneloop_reports").joinpath("fonts")))
    branded = themed(spec)
    config = {**branded["config"], "font": FONT}
    for name in ("main", "points", "interval"):
        config["style"] = {**config["style"], name: {**config["style"][name], "color": style.accent}}
    return vl_convert.vegalite_to_svg({**branded, "config": config}, time_format_locale=VEGA_LOCALES[style.language])


def as_uri(svg: str) -> str:
    return f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}"


def describe(say: Translator, model: ModelReport) -> str:
    """The chart in words, for readers who do not see it."""
    points = [
        say(
            "history.point",
            month=say.month(each.month),
            value=say.share(each.accuracy),
            range=say.range(each.accuracy),
            n=each.accuracy.n,
        )
        for each in model.months
    ]
    return say("history.alt", points="; ".join(points))


def _middle(month: str) -> datetime:
    return datetime.fromisoformat(f"{month}-15T00:00:00+00:00")

"""The picture of an alert: the chart of its page, on white, for a place that can't draw it itself."""

from tuneloop.charts.marks import Spec
from tuneloop.monitoring.alert_chart import AlertChart
from tuneloop_bot.blocks.content import Picture
from tuneloop_bot.blocks.parts import visible

LONGEST_ALT = 1900


def picture(chart: AlertChart, model: str, *, at: int) -> Picture:
    """Shown before block `at`; people who don't see it are told its figures."""
    title = f"{model}: {chart.name}"
    spec: Spec = {**chart.spec, "background": "white", "padding": 12, "title": {"text": visible(title), "offset": 12}}
    return Picture(spec, visible(title), visible(f"{title} by reading: {chart.words}")[:LONGEST_ALT], at)

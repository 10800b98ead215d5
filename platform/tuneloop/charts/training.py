"""Loss while a candidate trains."""

from collections.abc import Sequence

from tuneloop.charts.data import Loss
from tuneloop.charts.marks import SCHEMA, Spec, Width

DATASET = "loss"
"""Name of the data set to which a page streams further points, in the form of `loss_rows`."""


def loss_rows(points: Sequence[Loss]) -> list[Spec]:
    return [{"step": point.step, "value": point.value, "series": point.series} for point in points]


def loss(points: Sequence[Loss], *, width: Width = "container", height: int = 190) -> Spec:
    series = {point.series for point in points}
    return {
        "$schema": SCHEMA,
        "width": width,
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "datasets": {DATASET: loss_rows(points)},
        "data": {"name": DATASET},
        "mark": {"type": "line", "point": {"size": 18}, "strokeWidth": 2},
        "encoding": {
            "x": {"field": "step", "type": "quantitative", "title": "step", "axis": {"tickMinStep": 1, "format": "d"}},
            "y": {"field": "value", "type": "quantitative", "title": None, "scale": {"zero": False}},
            "color": {"field": "series", "type": "nominal", "legend": {} if len(series) > 1 else None},
            "tooltip": [{"field": "series"}, {"field": "step"}, {"field": "value", "format": ".4f"}],
        },
    }

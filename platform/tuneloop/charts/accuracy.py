"""Accuracy over time: the whole model, and one small chart a category."""

from collections.abc import Sequence

from tuneloop.charts.data import Marker, Point
from tuneloop.charts.marks import (
    TIME,
    Spec,
    Width,
    baseline,
    chart,
    counts,
    floor_of,
    markers,
    measured,
    row,
    share_axis,
)


def accuracy_over_time(
    points: Sequence[Point],
    *,
    level: float | None = None,
    level_text: str | None = None,
    estimate: Sequence[Point] = (),
    happened: Sequence[Marker] = (),
    counted: bool = False,
    width: Width = "container",
    height: int = 250,
) -> Spec:
    """Accuracy on labelled answers with intervals; `level` is the baseline's, `estimate` needs no labels.

    `counted` writes the number of labels under each interval.
    """
    known = [level] if level is not None else []
    axis = share_axis(floor_of([*points, *estimate], known))
    layers: list[Spec] = [*markers(happened)]
    if level is not None:
        label = f"baseline {100 * level:.0f} %" if level_text is None else level_text
        layers += baseline(level, axis, label)
    if estimate:
        layers.append(
            {
                "data": {"values": [row(point) for point in estimate]},
                "mark": {"type": "line", "style": "estimate"},
                "encoding": {"x": TIME, "y": {"field": "value", **axis}, "detail": {"field": "group"}},
            }
        )
    layers += measured(points, axis, title="right")
    return chart(width=width, height=height, layers=[*layers, *([counts(points, axis)] if counted else [])])


def category(
    points: Sequence[Point],
    *,
    level: float | None = None,
    lowest: float = 0.0,
    width: Width = "container",
    height: int = 96,
) -> Spec:
    """One category, small; charts shown beside each other share `lowest`."""
    axis = share_axis(lowest)
    lines = baseline(level, axis) if level is not None else []
    return chart(width=width, height=height, layers=[*lines, *measured(points, axis, title="right", small=True)])


def reports_rate(
    points: Sequence[Point],
    *,
    happened: Sequence[Marker] = (),
    width: Width = "container",
    height: int = 140,
) -> Spec:
    """Share of answers that users reported as wrong."""
    top = max([point.high for point in points], default=0.05)
    axis = share_axis(0.0, max(0.02, top * 1.1), digits=1)
    return chart(width=width, height=height, layers=[*markers(happened), *measured(points, axis, title="reported")])

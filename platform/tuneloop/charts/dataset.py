"""How training data grew: added by source, month by month, and its size against the guide."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tuneloop.charts.marks import Spec, Width, chart


class GrowthBar(NamedTuple):
    """`name` is such as 2026-03; `added` by source; `total` is the size at the month's end."""

    name: str
    added: Mapping[str, int]
    total: int


def dataset_growth(
    months: Sequence[GrowthBar], *, guide: tuple[int, int], width: Width = "container", height: int = 210
) -> Spec:
    """The size so far, stacked by source; two lines mark what the guide suggests by now."""
    sources = sorted({source for month in months for source in month.added})
    sofar = dict.fromkeys(sources, 0)
    rows: list[Spec] = []
    for month in months:
        for source in sources:
            sofar[source] += month.added.get(source, 0)
            added = month.added.get(source, 0)
            rows.append({"month": month.name, "source": source.replace("_", " "), "n": sofar[source], "added": added})
    y: Spec = {"type": "quantitative", "title": None, "axis": {"tickCount": 4, "format": "d"}}
    lines = [{"n": size, "text": f"guide {which} {size}"} for which, size in zip(("from", "to"), guide, strict=True)]
    return chart(
        width=width,
        height=height,
        layers=[
            {
                "data": {"values": rows},
                "mark": {"type": "bar", "width": {"band": 0.7}},
                "encoding": {
                    "x": {"field": "month", "type": "ordinal", "title": None, "axis": {"labelAngle": 0}},
                    "y": {"field": "n", **y, "stack": True},
                    "color": {"field": "source", "type": "nominal"},
                    "tooltip": [
                        {"field": "month"},
                        {"field": "source"},
                        {"field": "added", "title": "added"},
                        {"field": "n", "title": "so far"},
                    ],
                },
            },
            {
                "data": {"values": lines},
                "mark": {"type": "rule", "style": "baseline"},
                "encoding": {"y": {"field": "n", **y}},
            },
            {
                "data": {"values": lines},
                "mark": {"type": "text", "style": "baseline-text"},
                "encoding": {"y": {"field": "n", **y}, "x": {"value": "width"}, "text": {"field": "text"}},
            },
        ],
    )

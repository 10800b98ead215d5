"""How sure the model was: at its evaluation and on today's traffic."""

from tuneloop.charts.data import Distribution
from tuneloop.charts.marks import Spec, Width, chart


def confidence_then_and_now(
    then: Distribution, now: Distribution, *, width: Width = "container", height: int = 170
) -> Spec:
    layers: list[Spec] = []
    names = [f"{found.label} (n={found.n})" for found in (now, then)]
    for style, found in (("then", then), ("now", now)):
        bins = len(found.shares)
        rows = [
            {
                "from": place / bins,
                "to": (place + 1) / bins,
                "share": share,
                "of": f"{found.label} (n={found.n})",
                "says": f"{100 * share:.0f} % of {found.n} answers",
                "range": f"{100 * place / bins:.0f}-{100 * (place + 1) / bins:.0f} % sure",
            }
            for place, share in enumerate(found.shares)
        ]
        layers.append(
            {
                "data": {"values": rows},
                "mark": {"type": "bar", "style": style, "binSpacing": 1, "clip": True},
                "encoding": {
                    "x": {
                        "field": "from",
                        "type": "quantitative",
                        "bin": "binned",
                        "title": "confidence",
                        "axis": {"format": ".0%", "tickCount": 5},
                    },
                    "x2": {"field": "to"},
                    "y": {
                        "field": "share",
                        "type": "quantitative",
                        "stack": None,
                        "title": None,
                        "axis": {"format": ".0%", "tickCount": 4},
                    },
                    "color": {
                        "field": "of",
                        "type": "nominal",
                        "scale": {"domain": names},
                        "legend": {"columns": 1, "labelLimit": 300},
                    },
                    "tooltip": [
                        {"field": "of", "title": "answers"},
                        {"field": "range", "title": "confidence"},
                        {"field": "says", "title": "share"},
                    ],
                },
            }
        )
    return chart(width=width, height=height, layers=layers)

"""Charts as pictures, by the same library versions that pages load."""

import vl_convert

from tuneloop.charts.marks import Spec
from tuneloop.charts.themes import THEMES


def themed(spec: Spec, theme: str = "light") -> Spec:
    """Give the chart its colours; a chart as wide as its place becomes 640 pixels wide."""
    sized = {**spec, "width": 640} if spec.get("width") == "container" else spec
    return {**sized, "config": THEMES[theme]}


def png(spec: Spec, *, theme: str = "light", scale: float = 2.0) -> bytes:
    return vl_convert.vegalite_to_png(themed(spec, theme), scale=scale)

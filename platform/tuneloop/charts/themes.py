"""Two looks of one chart. Specifications name styles; a theme gives them colour."""

from typing import Any, Final

FONT = "Inter, system-ui, DejaVu Sans, sans-serif"


def _theme(*, ink: str, soft: str, line: str, main: str, second: str, alert: str, ok: str) -> dict[str, Any]:
    return {
        "background": "transparent",
        "font": FONT,
        "padding": {"left": 2, "right": 6, "top": 4, "bottom": 2},
        "view": {"stroke": None},
        "axis": {
            "labelColor": soft,
            "titleColor": soft,
            "gridColor": line,
            "domain": False,
            "ticks": False,
            "labelPadding": 6,
            "labelFontSize": 11,
            "titleFontSize": 11,
            "titleFontWeight": "normal",
        },
        "axisX": {"grid": False},
        "legend": {
            "labelColor": ink,
            "titleColor": soft,
            "orient": "top",
            "direction": "horizontal",
            "title": None,
            "symbolStrokeWidth": 3,
            "labelFontSize": 11,
            "offset": 4,
        },
        "header": {"labelColor": ink, "titleColor": soft, "labelFontWeight": 600},
        "title": {"color": ink, "fontSize": 12, "fontWeight": 600, "anchor": "start"},
        "range": {"category": [main, second, ok, alert]},
        "style": {
            "main": {"color": main, "strokeWidth": 2},
            "points": {"color": main, "size": 34, "opacity": 1},
            "alarms": {"color": alert, "size": 80, "opacity": 1},
            "interval": {"color": main, "strokeWidth": 5, "opacity": 0.2, "strokeCap": "round"},
            "estimate": {"color": second, "strokeWidth": 1.5, "strokeDash": [4, 3]},
            "baseline": {"color": soft, "strokeWidth": 1, "strokeDash": [2, 3]},
            "baseline-text": {
                "color": soft,
                "fontSize": 10,
                "align": "right",
                "baseline": "bottom",
                "dx": -2,
                "dy": -2,
            },
            "count": {"color": soft, "fontSize": 10, "align": "center", "baseline": "top", "dy": 3},
            "deployment": {"color": ok, "strokeWidth": 1.2},
            "alert": {"color": alert, "strokeWidth": 1.2, "strokeDash": [5, 3]},
            "resolution": {"color": ok, "strokeWidth": 1, "strokeDash": [1, 3]},
            "marker-text": {"color": soft, "fontSize": 10, "align": "left", "baseline": "top", "dx": 4, "dy": 2},
            "then": {"fillOpacity": 0.3},
            "now": {"fillOpacity": 0.55},
        },
    }


LIGHT: Final = _theme(
    ink="#1c1b19", soft="#6b675f", line="#ebe7df", main="#1f5a70", second="#b0762a", alert="#b3261e", ok="#25704a"
)
DARK: Final = _theme(
    ink="#eceae4", soft="#a8a39a", line="#302f2b", main="#7fc0d6", second="#e0b06a", alert="#f39a92", ok="#7dcb9c"
)
THEMES: Final = {"light": LIGHT, "dark": DARK}

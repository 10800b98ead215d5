"""Charts are drawn, show every figure with its interval, and look alike in both themes."""

from datetime import UTC, datetime, timedelta

import pytest
import vl_convert

from tuneloop.charts.accuracy import accuracy_over_time, category, reports_rate
from tuneloop.charts.confidence import confidence_then_and_now
from tuneloop.charts.data import Distribution, Loss, Marker, Point
from tuneloop.charts.dataset import GrowthBar, dataset_growth
from tuneloop.charts.draw import png, themed
from tuneloop.charts.marks import Spec, floor_of
from tuneloop.charts.themes import DARK, LIGHT
from tuneloop.charts.training import loss

START = datetime(2026, 9, 1, tzinfo=UTC)
WEEKS = [
    Point(
        START + timedelta(weeks=week), 0.88 - 0.02 * week, 0.80 - 0.02 * week, 0.93 - 0.02 * week, 60, "1.0", week > 5
    )
    for week in range(7)
]
HAPPENED = [
    Marker(START, "deployment", "v1.0 deployed", "v1.0"),
    Marker(WEEKS[-1].at, "alert", "Accuracy fell <script>alert(1)</script>"),
]
CHARTS: dict[str, Spec] = {
    "accuracy": accuracy_over_time(WEEKS, level=0.88, estimate=WEEKS[:3], happened=HAPPENED),
    "accuracy of nothing yet": accuracy_over_time([], level=0.9),
    "category": category(WEEKS, level=0.9),
    "confidence": confidence_then_and_now(Distribution("then", [0.1] * 10, 200), Distribution("now", [0.1] * 10, 900)),
    "dataset growth": dataset_growth(
        [GrowthBar("2026-09", {"import": 240}, 240), GrowthBar("2026-10", {"client_link": 30}, 270)], guide=(200, 500)
    ),
    "loss": loss([Loss(1, 2.5, "training"), Loss(2, 1.5, "training"), Loss(2, 1.7, "held out")]),
    "reports": reports_rate([Point(START, 0.01, 0.005, 0.02, 900), Point(WEEKS[2].at, 0.03, 0.02, 0.05, 900)]),
}


def svg(spec: Spec, theme: str = "light") -> str:
    return vl_convert.vegalite_to_svg(themed(spec, theme))


@pytest.mark.parametrize("spec", CHARTS.values(), ids=list(CHARTS))
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_chart_is_drawn_in_both_themes(spec: Spec, theme: str) -> None:
    assert "<svg" in svg(spec, theme)


def test_every_point_is_drawn_with_its_interval_and_n() -> None:
    drawn = svg(CHARTS["accuracy"])
    for point in WEEKS:
        words = f"{100 * point.value:.0f} % ({100 * point.low:.0f}-{100 * point.high:.0f} %, n=60)"
        assert words in drawn
    assert drawn.count('aria-roledescription="point"') == len(WEEKS)
    assert "baseline 88 %" in drawn


def test_the_axis_holds_every_interval() -> None:
    assert floor_of(WEEKS) <= min(point.low for point in WEEKS)
    assert floor_of([], [0.88]) == pytest.approx(0.8)
    assert floor_of([Point(START, 0.02, 0.0, 0.1, 5)]) == 0


def test_text_of_users_is_text_in_the_picture() -> None:
    drawn = svg(CHARTS["accuracy"])
    assert "<script>" not in drawn
    assert "&lt;script>" in drawn or "&lt;script&gt;" in drawn


def test_a_picture_for_paper_is_a_png() -> None:
    assert png(CHARTS["confidence"], scale=1).startswith(b"\x89PNG")


def test_the_themes_colour_the_same_styles() -> None:
    assert LIGHT["style"].keys() == DARK["style"].keys()
    assert LIGHT["style"]["main"] != DARK["style"]["main"]

"""Figures as people read them."""

from datetime import timedelta

import pytest

from tuneloop.kit import figures
from tuneloop.kit.clock import now
from tuneloop.kit.figures import MeasuredRate


def test_a_rate_carries_n_and_interval() -> None:
    measured = MeasuredRate(0.87, 100, 0.79, 0.922)
    assert figures.rate(measured) == "87 % (79\u201392 %, n=100)"
    assert figures.rate({"value": 0.87, "n": 100, "low": 0.79, "high": 0.922}) == figures.rate(measured)
    assert figures.rate(measured, 1) == "87.0 % (79.0\u201392.2 %, n=100)"


def test_a_rate_of_nothing_is_not_measured() -> None:
    assert figures.rate(MeasuredRate(None, 0, 0.0, 1.0)) == "not measured (n=0)"


def test_a_difference_is_in_points_with_its_interval() -> None:
    assert figures.difference({"value": 0.05, "low": -0.013, "high": 0.113}) == "+5 (\u22121 to +11)"


def test_no_difference_has_no_sign() -> None:
    assert figures.difference({"value": 0.0, "low": -0.004, "high": 0.1}) == "0 (0 to +10)"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(8.4, "8 s"), (125, "2 min 5 s"), (4200, "1 h 10 min"), (3600, "1 h"), (-1, "0 s"), (None, "\u2013")],
)
def test_durations(seconds: float | None, shown: str) -> None:
    assert figures.duration(seconds) == shown


@pytest.mark.parametrize(("count", "shown"), [(999, "999 B"), (7_600_000, "7.6 MB"), (1.5e9, "1.5 GB")])
def test_sizes(count: float, shown: str) -> None:
    assert figures.size(count) == shown


@pytest.mark.parametrize(
    ("seconds", "said"), [(3, "just now"), (-3, "in a moment"), (7200, "2 hours ago"), (-172_800, "in 2 days")]
)
def test_how_long_ago(seconds: float, said: str) -> None:
    assert figures.ago(now() - timedelta(seconds=seconds)) == said

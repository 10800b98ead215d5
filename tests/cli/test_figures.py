"""Figures as people read them, and choices that agree with the server's."""

from typing import get_args

import pytest

from tuneloop.cli import arguments, datasets, figures
from tuneloop.datasets.row import ExportFormat
from tuneloop.evaluation.service import rate_of
from tuneloop.stats.intervals import Rate
from tuneloop.tables import Activity, Domain, Feature, FeedbackKind, FeedbackState, Plan, Pool, Role, ScheduledTask


def test_a_rate_carries_n_and_interval() -> None:
    assert figures.rate(rate_of(Rate(87, 100))) == "87 % (79\u201392 %, n=100)"


def test_a_rate_of_nothing_is_not_measured() -> None:
    assert figures.rate(rate_of(Rate(0, 0))) == "not measured (n=0)"


def test_a_difference_is_in_points_with_its_interval() -> None:
    assert figures.points({"value": 0.05, "low": -0.013, "high": 0.113}) == "+5 (-1 to +11)"


def test_no_difference_has_no_sign() -> None:
    assert figures.points({"value": 0.0, "low": -0.004, "high": 0.1}) == "0 (0 to +10)"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(8.4, "8 s"), (125, "2 min 5 s"), (4200, "1 h 10 min"), (3600, "1 h"), (-1, "0 s")]
)
def test_durations(seconds: float, shown: str) -> None:
    assert figures.duration(seconds) == shown


@pytest.mark.parametrize(("count", "shown"), [(999, "999 B"), (7_600_000, "7.6 MB"), (1.5e9, "1.5 GB")])
def test_sizes(count: float, shown: str) -> None:
    assert figures.size(count) == shown


@pytest.mark.parametrize(
    ("written_out", "enum"),
    [
        (arguments.Role, Role),
        (arguments.Domain, Domain),
        (arguments.Plan, Plan),
        (arguments.Pool, Pool),
        (arguments.FeedbackKind, FeedbackKind),
        (arguments.FeedbackState, FeedbackState),
        (arguments.Feature, Feature),
        (arguments.Activity, Activity),
        (arguments.ScheduledTask, ScheduledTask),
        (datasets.ExportFormat, ExportFormat),
    ],
)
def test_choices_are_those_of_the_server(written_out: object, enum: type[Role]) -> None:
    assert set(get_args(written_out)) == {each.value for each in enum}

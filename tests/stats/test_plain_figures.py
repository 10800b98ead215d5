"""Figures go into JSON columns: they must be plain numbers, not numpy's."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.stats.labels import labelled
from tuneloop.stats.agreement import cohen_kappa
from tuneloop.stats.canary import check, noise_floor
from tuneloop.stats.categories import CategoryCharts, pooled
from tuneloop.stats.control_charts import DriftChart, fit_overdispersion
from tuneloop.stats.estimates import best, hajek, prediction_powered
from tuneloop.stats.evidence import Group
from tuneloop.stats.impact import Answers, estimate
from tuneloop.stats.intervals import Rate

RIGHT = np.array([True, True, False, True] * 10)
SURE = np.where(RIGHT, 0.9, 0.4) + np.linspace(0, 0.05, 40)
SEEN = Answers(SURE, RIGHT)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: DriftChart((90, 100)).observe(80, 100), id="drift"),
        pytest.param(lambda: CategoryCharts({"a": (9, 10)}).observe({"a": (5, 9)}), id="categories"),
        pytest.param(lambda: pooled({"a": (9, 10), "b": (1, 3)}), id="pooled"),
        pytest.param(lambda: fit_overdispersion([(80, 100), (95, 100), (70, 100), (99, 100)]), id="overdispersion"),
        pytest.param(lambda: labelled(Group.plain(900, 60), 20, 15, 5).decision, id="disagreements"),
        pytest.param(lambda: hajek(RIGHT, np.full(40, 0.2)), id="hajek"),
        pytest.param(lambda: prediction_powered(RIGHT, SURE, np.tile(SURE, 5)), id="prediction powered"),
        pytest.param(lambda: best(RIGHT, SURE, np.tile(SURE, 5)), id="best"),
        pytest.param(lambda: estimate(SEEN, SEEN, RIGHT, SURE, Rate(90, 100)), id="impact"),
        pytest.param(lambda: check(5, 100, 2, 1, noise_floor(1, 100)), id="canary"),
        pytest.param(lambda: noise_floor(1, 100), id="noise"),
        pytest.param(lambda: cohen_kappa(["a", "b"], ["a", "a"]), id="agreement"),
    ],
)
def test_figures_are_plain(make: Callable[[], object]) -> None:
    figure = make()
    assert _leaves(figure) <= {bool, int, float, str, type(None)}
    json.dumps(figure, default=vars, allow_nan=False)


def _leaves(value: Any) -> set[type]:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else None
    if parts is None and hasattr(value, "__dict__"):
        parts = vars(value).values()
    return {type(value)} if parts is None else set().union(*map(_leaves, parts))

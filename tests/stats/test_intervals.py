import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tuneloop.stats.intervals import (
    Interval,
    Rate,
    describe,
    jeffreys,
    newcombe_difference,
    wilson,
)

rates = st.integers(1, 400).flatmap(lambda n: st.builds(Rate, st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_values_published_by_newcombe_1998(correct: int, n: int, low: float, high: float) -> None:
    assert wilson(Rate(correct, n)) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        (Rate(56, 70), Rate(48, 80), 0.0524, 0.3339),
        (Rate(9, 10), Rate(3, 10), 0.1705, 0.8090),
        (Rate(10, 10), Rate(0, 10), 0.6075, 1.0),
    ],
)
def test_newcombe_difference_gives_the_published_values(first: Rate, second: Rate, low: float, high: float) -> None:
    assert newcombe_difference(second, first) == pytest.approx((low, high), abs=5e-5)


@given(rates)
def test_wilson_ends_are_the_rates_that_a_score_test_just_rejects(rate: Rate) -> None:
    for end in wilson(rate):
        if 0 < end < 1:
            distance = abs(rate.value - end) / math.sqrt(end * (1 - end) / rate.n)
            assert distance == pytest.approx(1.959964, abs=1e-4)


@given(rates)
def test_jeffreys_holds_the_rate_and_leaves_equal_tails(rate: Rate) -> None:
    low, high = jeffreys(rate)
    assert low <= rate.value <= high
    posterior = stats.beta(rate.correct + 0.5, rate.n - rate.correct + 0.5)
    if 0 < rate.correct < rate.n:
        assert (posterior.cdf(low), posterior.sf(high)) == pytest.approx((0.025, 0.025), abs=1e-6)


@pytest.mark.parametrize("n", [25, 100, 400])
def test_wilson_covers_at_its_level_on_average(n: int) -> None:
    intervals = [wilson(Rate(k, n)) for k in range(n + 1)]
    assert np.mean([_coverage(intervals, p) for p in np.linspace(0.5, 0.99, 50)]) == pytest.approx(0.95, abs=0.01)


def test_no_items_say_nothing() -> None:
    empty = Rate(0, 0)
    assert math.isnan(empty.value)
    assert empty.interval == jeffreys(empty) == Interval(0.0, 1.0)
    assert newcombe_difference(empty, Rate(1, 2)) == Interval(-1.0, 1.0)
    assert describe(empty) == "not measured (n=0)"


def test_describe_carries_interval_and_n() -> None:
    assert describe(Rate(87, 100)) == "87 % (79\N{EN DASH}92 %, n=100)"
    assert describe(Rate(16, 500), digits=1) == "3.2 % (2.0\N{EN DASH}5.1 %, n=500)"


@pytest.mark.parametrize(("correct", "n"), [(-1, 5), (6, 5), (0, -1)])
def test_impossible_counts_are_refused(correct: int, n: int) -> None:
    with pytest.raises(ValueError, match="correct"):
        Rate(correct, n)


def _coverage(intervals: list[Interval], truth: float) -> float:
    n = len(intervals) - 1
    chances = stats.binom.pmf(np.arange(n + 1), n, truth)
    return float(sum(chance for chance, interval in zip(chances, intervals, strict=True) if truth in interval))

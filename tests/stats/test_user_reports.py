"""The chart of reports keeps its false-alarm rate and finds a doubling."""

import math

import numpy as np
import pytest

from tuneloop.stats.user_reports import RATIOS, ReportsChart

WEEKLY = 500


def alarms(rate: float, later: float, *, change: int, weeks: int, runs: int) -> list[int | None]:
    """Week of the first alarm of each run; the baseline is itself a draw."""
    generator = np.random.default_rng(20250101)
    found: list[int | None] = []
    for _ in range(runs):
        chart = ReportsChart((int(generator.poisson(rate * 2 * WEEKLY)), 2 * WEEKLY))
        first = None
        for week in range(weeks):
            level = rate if week < change else later
            if chart.observe(int(generator.poisson(level * WEEKLY)), WEEKLY).alarm:
                first = week
                break
        found.append(first)
    return found


@pytest.mark.parametrize("rate", [0.004, 0.03])
def test_at_most_one_year_in_twenty_alarms_falsely(rate: float) -> None:
    found = alarms(rate, rate, change=52, weeks=52, runs=300)
    assert sum(week is not None for week in found) <= 0.05 * len(found)


def test_a_doubled_rate_is_found_within_eight_weeks() -> None:
    found = [week for week in alarms(0.03, 0.06, change=10, weeks=18, runs=200) if week is None or week >= 10]
    assert sum(week is not None for week in found) >= 0.95 * len(found)


def test_fewer_reports_never_alarm() -> None:
    assert not any(alarms(0.03, 0.005, change=0, weeks=52, runs=50))


def test_one_week_is_the_average_likelihood_ratio_over_the_posterior() -> None:
    """With a baseline that fixes the rate, the statistic is the closed form."""
    statistic = ReportsChart((30_000, 1_000_000)).observe(25, 500).statistic
    expected = np.mean([ratio**25 * math.exp(-(ratio - 1) * 15) for ratio in RATIOS])
    assert statistic == pytest.approx(math.log(expected), abs=0.05)


def test_a_chart_survives_storage() -> None:
    chart = ReportsChart((3, 400))
    chart.observe(9, 300)
    again = ReportsChart.from_dict(chart.to_dict())
    assert again.observe(4, 100) == chart.observe(4, 100)
    assert again.weeks == ((9, 300), (4, 100))


@pytest.mark.parametrize("baseline", [(0, 0), (-1, 10)])
def test_a_baseline_needs_answers(baseline: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="answers >= 1"):
        ReportsChart(baseline)
    with pytest.raises(ValueError, match="answers >= 1"):
        ReportsChart((1, 10)).observe(*baseline)

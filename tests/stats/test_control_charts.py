import json
import math

import numpy as np
import pytest
from scipy import stats

from tuneloop.stats.control_charts import DriftChart, Reading, fit_overdispersion, smallest_detectable_drop
from tuneloop.stats.intervals import Rate
from tuneloop.stats.shiryaev_roberts import DROPS, Design, Grid, Recursion

YEAR = 52


def test_statistic_equals_the_sum_over_every_possible_change_week() -> None:
    """SR_t unrolls to the sum over change weeks s of the likelihood ratio of weeks s..t."""
    weeks, baseline = [(16, 20), (13, 20), (11, 20)], Rate(45, 50)
    grid = Grid.around(baseline)
    log_statistic = -math.inf
    recursion = Recursion(grid, runs=1)
    for correct, n in weeks:
        log_statistic = float(recursion.observe(np.array([correct]), n)[0])
    total, weights = 0.0, 0.0
    right, wrong = 45 + sum(k for k, _ in weeks), 5 + sum(n - k for k, n in weeks)
    for rate in grid.rates:
        weight = stats.beta.pdf(rate, right + 0.5, wrong + 0.5)
        for drop in DROPS:
            ratios = [stats.binom.pmf(k, n, rate - drop) / stats.binom.pmf(k, n, rate) for k, n in weeks]
            total += weight * sum(math.prod(ratios[start:]) for start in range(len(weeks))) / len(DROPS)
        weights += weight
    assert log_statistic == pytest.approx(math.log(total / weights), rel=1e-9)


def test_evidence_against_the_true_rate_grows_by_one_a_week_on_average() -> None:
    """The martingale behind the guarantee: E[SR_t] = t at the baseline that is true."""
    rate, n = 0.87, 20
    for drop in DROPS:
        chances = stats.binom.pmf(np.arange(n + 1), n, rate)
        ratio = stats.binom.pmf(np.arange(n + 1), n, rate - drop) / chances
        assert float(chances @ ratio) == pytest.approx(1.0)
        better = stats.binom.pmf(np.arange(n + 1), n, 0.92)
        assert float(better @ ratio) < 1


@pytest.mark.parametrize(("truth", "baseline_labels"), [(0.87, 100), (0.95, 200)])
def test_an_unchanged_year_alarms_in_at_most_five_percent(truth: float, baseline_labels: int) -> None:
    calibrated, guaranteed = _alarm_rates(truth, baseline_labels, labels=100)
    assert calibrated <= 0.065
    assert guaranteed <= 0.02


def test_a_fall_from_87_to_80_percent_is_found_within_eight_weeks() -> None:
    chart = DriftChart(baseline=(348, 400))
    chart.observe(87, 100)
    generator = np.random.default_rng(5)
    truth = np.full(20, 0.87)
    truth[12:] = 0.80
    runs = generator.binomial(100, truth, size=(1000, 20))
    recursion = Recursion(Grid.around(Rate(348, 400)), runs=1000)
    path = np.stack([recursion.observe(week, 100) for week in runs.T], axis=1)
    quiet = path[:, :12].max(axis=1) < chart.threshold
    found = (path[quiet, 12:] >= chart.threshold).any(axis=1)
    assert found.mean() >= 0.87


def test_the_calibrated_threshold_is_never_above_the_guaranteed_one() -> None:
    for baseline in [(100, 100), (5, 10), (87, 100)]:
        chart = DriftChart(baseline=baseline)
        chart.observe(20, 25)
        assert chart.threshold <= chart.guaranteed_threshold == pytest.approx(math.log(YEAR / 0.05))


def test_a_collapse_alarms_at_once_and_beyond_simulation() -> None:
    reading = DriftChart(baseline=(87, 100)).observe(50, 100)
    assert reading.alarm
    assert reading.guaranteed


@pytest.mark.parametrize(("correct", "n"), [(0, 100_000), (100_000, 100_000)])
def test_extreme_weeks_stay_finite(correct: int, n: int) -> None:
    chart = DriftChart(baseline=(95, 100))
    readings = [chart.observe(correct, n) for _ in range(3)]
    assert all(math.isfinite(reading.statistic) for reading in readings)
    assert readings[-1].alarm == (correct == 0)


@pytest.mark.parametrize("weeks", [[45], [50, 0, 50], [44, 47, 41, 39, 40, 38]])
def test_a_chart_from_the_database_continues_where_it_stopped(weeks: list[int]) -> None:
    chart = DriftChart(baseline=(90, 100), false_alarm_rate=0.1, horizon=26)
    for correct in weeks:
        chart.observe(correct, 50)
    restored = DriftChart.from_dict(json.loads(json.dumps(chart.to_dict())))
    assert restored.weeks == chart.weeks
    assert restored.observe(40, 50) == chart.observe(40, 50)


def test_worse_weeks_give_more_evidence() -> None:
    readings: list[Reading] = [DriftChart(baseline=(87, 100)).observe(correct, 100) for correct in (90, 85, 80, 70)]
    statistics = [reading.statistic for reading in readings]
    assert statistics == sorted(statistics)


def test_more_labels_find_smaller_drops() -> None:
    drops = [smallest_detectable_drop((348, 400), labels) for labels in (50, 100, 200)]
    assert drops == pytest.approx([0.10, 0.07, 0.05], abs=0.0101)
    assert smallest_detectable_drop((2, 10), 2) is None
    with pytest.raises(ValueError, match="every week"):
        smallest_detectable_drop((348, 400), 0)


def test_overdispersed_weeks_are_beta_binomial() -> None:
    design = Design.after(Rate(87, 100), overdispersion=0.01)
    grid = Grid.of(design)
    size = 1 / 0.01 - 1
    rates = np.array([0.8, 0.9])
    ratio = np.diff(grid.log_likelihood(np.array([70]), 100, rates)[0])
    exact = np.diff(stats.betabinom.logpmf(70, 100, rates * size, (1 - rates) * size))
    assert ratio == pytest.approx(exact)


def test_overdispersion_makes_a_bad_week_weigh_less() -> None:
    plain, wobbly = (DriftChart((348, 400), overdispersion=value) for value in (0.0, 0.01))
    assert wobbly.observe(75, 100).statistic < plain.observe(75, 100).statistic
    assert DriftChart.from_dict(json.loads(json.dumps(wobbly.to_dict()))).observe(80, 100) == wobbly.observe(80, 100)


def test_overdispersion_is_recovered_from_quiet_weeks() -> None:
    generator = np.random.default_rng(1)
    rates = np.clip(generator.normal(0.87, 0.03, 1500), 0, 1)
    wobbly = [(int(k), 100) for k in generator.binomial(100, rates)]
    steady = [(int(k), 100) for k in generator.binomial(100, 0.87, 400)]
    assert fit_overdispersion(wobbly) == pytest.approx(0.03**2 / (0.87 * 0.13), rel=0.3)
    assert fit_overdispersion(steady) < 0.001
    quarter = [fit_overdispersion(wobbly[start : start + 12]) for start in range(0, 1200, 12)]
    assert 0.0015 < min(quarter) < np.median(quarter) < 0.01
    assert fit_overdispersion(steady[:3]) == fit_overdispersion([(10, 10)] * 9) == fit_overdispersion([]) == 0.0


def test_a_chart_without_a_usable_design_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one labelled item"):
        DriftChart((0, 0))
    with pytest.raises(ValueError, match="correct <= n"):
        DriftChart((5, 4))
    with pytest.raises(ValueError, match="0 < rate < 1"):
        DriftChart((5, 10), false_alarm_rate=0.0)
    with pytest.raises(ValueError, match="horizon >= 1"):
        DriftChart((5, 10), horizon=0)
    with pytest.raises(ValueError, match="overdispersion"):
        DriftChart((5, 10), overdispersion=1.0)


def test_a_week_without_labels_is_no_observation() -> None:
    with pytest.raises(ValueError, match="without labels"):
        DriftChart(baseline=(87, 100)).observe(0, 0)


def _alarm_rates(truth: float, baseline_labels: int, labels: int) -> tuple[float, float]:
    """Share of unchanged years with an alarm, over the sampling of baseline and weeks; calibrated and guaranteed."""
    generator = np.random.default_rng(13)
    calibrated, guaranteed = [], []
    for correct in stats.binom.ppf((np.arange(8) + 0.5) / 8, baseline_labels, truth).astype(int):
        chart = DriftChart(baseline=(int(correct), baseline_labels))
        chart.observe(int(labels * truth), labels)
        recursion = Recursion(Grid.around(chart.baseline), runs=500)
        highest = np.max(
            [recursion.observe(generator.binomial(labels, truth, 500), labels) for _ in range(YEAR)], axis=0
        )
        calibrated.append(np.mean(highest >= chart.threshold))
        guaranteed.append(np.mean(highest >= chart.guaranteed_threshold))
    return float(np.mean(calibrated)), float(np.mean(guaranteed))

import json
import math

import numpy as np
import pytest

from tuneloop.stats.betting import ScoreChart, _Bets


def test_no_bet_gains_on_average_while_the_mean_holds() -> None:
    """The martingale behind the guarantee, for an arbitrary discrete distribution."""
    values, chances = np.array([0.0, 0.2, 0.9, 1.0]), np.array([0.1, 0.2, 0.3, 0.4])
    mean = float(values @ chances)
    bets = _Bets(np.array([0.5, 0.6, 0.8]), runs=1)
    for assumed, stakes in zip(bets.means, bets.stakes, strict=True):
        for stake in stakes:
            gains = 1 + stake * (assumed - values)
            assert (gains >= 0).all()
            assert float(chances @ gains) == pytest.approx(1 + stake * (assumed - mean))


def test_a_mean_that_falls_alarms_and_one_that_stays_does_not() -> None:
    generator = np.random.default_rng(6)
    scores = np.array([1.0, 2, 3, 4, 5])
    before, after = [0.02, 0.03, 0.1, 0.35, 0.5], [0.1, 0.15, 0.25, 0.3, 0.2]
    baseline = generator.choice(scores, 200, p=before).tolist()
    quiet, fallen = (ScoreChart(baseline, low=1, high=5) for _ in range(2))
    readings = [quiet.observe(generator.choice(scores, 40, p=before).tolist()) for _ in range(10)]
    assert not any(reading.alarm for reading in readings)
    readings = [fallen.observe(generator.choice(scores, 40, p=after).tolist()) for _ in range(4)]
    assert readings[-1].alarm
    assert readings[-1].statistic > readings[0].statistic


def test_an_unchanged_year_alarms_in_at_most_five_percent() -> None:
    generator = np.random.default_rng(9)
    values, chances = np.linspace(0, 1, 6), [0.01, 0.02, 0.04, 0.08, 0.25, 0.6]
    alarms = []
    for _ in range(8):
        baseline = generator.choice(values, 150, p=chances)
        chart = ScoreChart(baseline.tolist())
        chart.observe([1.0] * 30)
        bets = _Bets(baseline, runs=200)
        weeks = generator.multinomial(30, chances, size=(52, 200)).astype(float)
        highest = np.max([bets.observe(values, week) for week in weeks], axis=0)
        alarms += (highest >= chart.threshold).tolist()
    assert np.mean(alarms) <= 0.065


def test_a_chart_from_the_database_continues_where_it_stopped() -> None:
    chart = ScoreChart([3.0, 4.0, 5.0, 4.0], low=1, high=5, false_alarm_rate=0.1, horizon=20)
    chart.observe([4.0, 3.5])
    restored = ScoreChart.from_dict(json.loads(json.dumps(chart.to_dict())))
    assert restored.observe([2.0, 2.5, 3.0]) == chart.observe([2.0, 2.5, 3.0])


def test_the_threshold_is_never_above_the_guaranteed_one() -> None:
    chart = ScoreChart([0.9, 0.8, 1.0, 0.7])
    chart.observe([0.9, 0.8])
    assert chart.threshold <= chart.guaranteed_threshold == pytest.approx(math.log(52 / 0.05))


def test_scores_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        ScoreChart([0.5, 1.5])
    with pytest.raises(ValueError, match="without scores"):
        ScoreChart([0.5, 0.6]).observe([])
    with pytest.raises(ValueError, match="at least two"):
        ScoreChart([0.5])
    with pytest.raises(ValueError, match="low < high"):
        ScoreChart([0.5, 0.5], low=1, high=0)

import json
import math

import numpy as np
import pytest
from scipy import integrate, stats

from tuneloop.stats.categories import BATCH, CategoryCharts, pooled
from tuneloop.stats.pooling import posteriors

TEN = {f"c{i}": (36, 40) for i in range(10)}


def test_only_the_category_that_collapsed_alarms() -> None:
    charts = CategoryCharts(TEN)
    for _ in range(3):
        readings = charts.observe({name: (2 if name == "c3" else 9, 10) for name in TEN})
    assert [name for name, reading in readings.items() if reading.alarm] == ["c3"]


def test_more_categories_need_more_evidence() -> None:
    def threshold(count: int) -> float:
        names = list(TEN)[:count]
        return CategoryCharts({name: TEN[name] for name in names}).observe({names[0]: (9, 10)})[names[0]].threshold

    assert threshold(1) < threshold(3) < threshold(10) <= math.log(52 / (1 - 0.95 ** (1 / 10)))


def test_small_categories_wait_for_a_batch_and_lose_nothing() -> None:
    waiting, at_once = CategoryCharts(TEN), CategoryCharts(TEN)
    assert waiting.observe({"c0": (1, BATCH - 2)}) == {}
    assert waiting.observe({}) == {}
    assert waiting.observe({"c0": (0, 2)})["c0"] == at_once.observe({"c0": (1, BATCH)})["c0"]


def test_a_category_without_a_baseline_is_not_charted() -> None:
    assert CategoryCharts({"known": (9, 10), "empty": (0, 0)}).observe({"new": (0, 50), "empty": (0, 50)}) == {}


def test_charts_from_the_database_continue_where_they_stopped() -> None:
    charts = CategoryCharts({"a": (30, 40), "b": (8, 9)}, false_alarm_rate=0.1, horizon=26)
    for week in ({"a": (8, 10), "b": (1, 2)}, {"a": (7, 10), "new": (1, 5)}, {"b": (2, 2)}):
        charts.observe(week)
    restored = CategoryCharts.from_dict(json.loads(json.dumps(charts.to_dict())))
    last = {"a": (5, 10), "b": (1, 4)}
    assert restored.observe(last) == charts.observe(last)


def test_pooling_agrees_with_integrating_over_mean_and_strength() -> None:
    counts = {"a": (9, 10), "b": (1, 3), "c": (40, 50)}

    def weight(log_strength: float, mean: float) -> float:
        a, b = mean * math.exp(log_strength), (1 - mean) * math.exp(log_strength)
        return math.prod(float(stats.betabinom.pmf(k, n, a, b)) for k, n in counts.values())

    def weighted_mean(log_strength: float, mean: float) -> float:
        strength = math.exp(log_strength)
        return weight(log_strength, mean) * (mean * strength + 1) / (strength + 3)

    box = (0.01, 0.99, math.log(2), math.log(300))
    options = {"epsabs": 1e-8, "epsrel": 1e-3}
    expected = integrate.dblquad(weighted_mean, *box, **options)[0] / integrate.dblquad(weight, *box, **options)[0]
    assert pooled(counts)["b"].value == pytest.approx(expected, abs=0.01)


def test_few_labels_are_drawn_to_the_others_and_many_keep_their_own_rate() -> None:
    shown = pooled({"few": (0, 2), "many": (120, 200), **{f"c{i}": (90, 100) for i in range(6)}})
    assert shown["few"].value > 0.4
    assert shown["many"].value == pytest.approx(0.6, abs=0.03)
    assert shown["few"].high - shown["few"].low > shown["many"].high - shown["many"].low
    assert (shown["few"].n, shown["many"].n) == (2, 200)


def test_intervals_of_pooled_rates_cover() -> None:
    generator = np.random.default_rng(4)
    covered = []
    for _ in range(60):
        truth = generator.beta(16, 4, 8)
        shown = pooled({str(i): (int(generator.binomial(15, p)), 15) for i, p in enumerate(truth)})
        covered += [each.low <= p <= each.high for each, p in zip(shown.values(), truth, strict=True)]
    assert 0.92 <= np.mean(covered) <= 0.985


def test_the_posterior_keeps_mean_and_spread_of_the_mixture() -> None:
    counts = {"a": (9, 10), "b": (30, 50)}
    shown, found = pooled(counts), posteriors(counts)
    for name in counts:
        assert found[name].right / sum(found[name]) == pytest.approx(shown[name].value)
        assert stats.beta(*found[name]).ppf(0.025) == pytest.approx(shown[name].low, abs=0.05)


def test_unusable_designs_are_refused() -> None:
    with pytest.raises(ValueError, match="0 < rate < 1"):
        CategoryCharts(TEN, false_alarm_rate=2)
    with pytest.raises(ValueError, match="correct <= n"):
        CategoryCharts({"a": (5, 4)})
    assert CategoryCharts({}).observe({"a": (1, 2)}) == {}

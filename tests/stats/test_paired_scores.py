import numpy as np
import pytest
from scipy import stats

from tuneloop.stats.paired_scores import compare_scores, design_effect


def test_with_many_items_the_interval_and_p_value_are_those_of_the_t_test() -> None:
    generator = np.random.default_rng(1)
    old = generator.beta(6, 2, 400)
    new = np.clip(old + generator.normal(0.02, 0.1, 400), 0, 1)
    found = compare_scores(old, new)
    known = stats.ttest_rel(new, old)
    assert found.difference == pytest.approx(np.mean(new - old))
    assert found.interval == pytest.approx(known.confidence_interval(), abs=0.001)
    assert found.p_value == pytest.approx(known.pvalue, abs=0.003)


def test_rows_that_repeat_in_clusters_add_nothing() -> None:
    generator = np.random.default_rng(2)
    old, new = generator.random(40), generator.random(40)
    apart = compare_scores(old, new)
    repeated = compare_scores(np.repeat(old, 5), np.repeat(new, 5), [name for name in range(40) for _ in range(5)])
    assert (repeated.n, repeated.clusters) == (200, 40)
    assert repeated.difference == pytest.approx(apart.difference)
    assert repeated.interval == pytest.approx(apart.interval, abs=1e-9)
    assert design_effect(np.repeat(old, 5), [name for name in range(40) for _ in range(5)]) == pytest.approx(
        5.1, abs=0.05
    )
    assert design_effect(old, list(range(40))) == pytest.approx(1.0)


def test_the_interval_covers_for_few_skewed_clusters_of_unequal_size() -> None:
    generator = np.random.default_rng(3)
    covered = []
    for _ in range(120):
        sizes = generator.integers(1, 5, 30)
        clusters = np.repeat(np.arange(30), sizes)
        shared = generator.normal(0, 0.1, 30)[clusters]
        old = np.clip(generator.beta(5, 1, len(clusters)), 0, 1)
        found = compare_scores(old, old + 0.03 + shared + generator.normal(0, 0.05, len(clusters)), clusters.tolist())
        covered.append(0.03 in found.interval)
    assert np.mean(covered) >= 0.89


def test_identical_scores_prove_nothing_and_one_cluster_says_nothing() -> None:
    same = compare_scores(np.ones(10), np.ones(10))
    assert (same.difference, same.p_value) == (0.0, 1.0)
    with pytest.raises(ValueError, match="at least two"):
        compare_scores(np.zeros(3), np.ones(3), ["a", "a", "a"])


def test_scores_of_different_items_are_refused() -> None:
    with pytest.raises(ValueError, match="same items"):
        compare_scores(np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match="2 items but 1 clusters"):
        compare_scores(np.ones(2), np.ones(2), ["a"])

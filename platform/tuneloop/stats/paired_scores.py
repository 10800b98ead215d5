"""Two versions scored on the same items, such as F1 or a judge's points: the mean difference by bootstrap.

Items that hang together (turns of one conversation, questions about one document) are drawn together: what is
counted is clusters, not rows (Miller 2024).
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tuneloop.stats.intervals import Interval

Array = NDArray[np.float64]

_DRAWS = 10_000
_CHUNK = 500
_SEED = 20250101


@dataclass(frozen=True)
class ScoreComparison:
    """Candidate minus production: mean `difference` of `n` items in `clusters` groups, 95 % interval, two-sided p."""

    n: int
    clusters: int
    difference: float
    interval: Interval
    p_value: float


def compare_scores(
    production: Array, candidate: Array, clusters: Sequence[Hashable] | None = None, level: float = 0.95
) -> ScoreComparison:
    """Compares bounded scores (n,) of the same items; `clusters` (n,) names each item's group, else each is its own.

    Studentised bootstrap over clusters (Efron and Tibshirani 1993, chapter 12), which keeps its level at a few dozen
    clusters where percentiles are too narrow. Yes/no answers may be given as 0 and 1.
    """
    old, new = np.asarray(production, dtype=float), np.asarray(candidate, dtype=float)
    if old.ndim != 1 or old.shape != new.shape or not old.size:
        raise ValueError(f"both versions must be scored on the same items, got shapes {old.shape} and {new.shape}")
    if clusters is not None and len(clusters) != old.size:
        raise ValueError(f"{old.size} items but {len(clusters)} clusters")
    totals, sizes = _by_cluster(new - old, clusters)
    difference, error = _mean_and_error(totals[None, :], sizes[None, :])
    value, spread = float(difference[0]), float(error[0])
    n, groups = int(old.size), len(sizes)
    if groups < 2:
        raise ValueError("one cluster alone doesn't tell how much clusters differ; compare at least two")
    if spread == 0:
        return ScoreComparison(n, groups, value, Interval(value, value), 1.0 if value == 0 else 2**-groups)
    distances = _distances(totals, sizes, value)
    low, high = np.quantile(distances, [(1 - level) / 2, (1 + level) / 2])
    at_least = int(np.sum(np.abs(distances) >= abs(value) / spread))
    interval = Interval(value - float(high) * spread, value - float(low) * spread)
    return ScoreComparison(n, groups, value, interval, (1 + at_least) / (1 + _DRAWS))


def design_effect(values: Array, clusters: Sequence[Hashable]) -> float:
    """How many of these rows are worth one independent row: variance of the mean by clusters over that by rows."""
    scores = np.asarray(values, dtype=float)
    together = _mean_and_error(*(part[None, :] for part in _by_cluster(scores, clusters)))[1][0]
    apart = float(stats.sem(scores))
    return float((together / apart) ** 2) if apart > 0 else 1.0


def _by_cluster(values: Array, clusters: Sequence[Hashable] | None) -> tuple[Array, Array]:
    """Sum of values and number of items of each cluster (c,)."""
    if clusters is None:
        return values, np.ones_like(values)
    numbers: dict[Hashable, int] = {}
    member = np.array([numbers.setdefault(name, len(numbers)) for name in clusters])
    return np.bincount(member, weights=values).astype(float), np.bincount(member).astype(float)


def _mean_and_error(totals: Array, sizes: Array) -> tuple[Array, Array]:
    """Ratio mean and its standard error by linearisation, over clusters in the last axis."""
    groups, items = sizes.shape[-1], sizes.sum(axis=-1)
    mean = totals.sum(axis=-1) / items
    residual = totals - mean[..., None] * sizes
    error = np.sqrt(groups / max(groups - 1, 1) * (residual**2).sum(axis=-1)) / items
    return mean, error


def _distances(totals: Array, sizes: Array, value: float) -> Array:
    """Standardised distances of resampled means from the mean; draws without any spread count as infinitely far."""
    generator = np.random.default_rng(_SEED)
    found = []
    for _ in range(_DRAWS // _CHUNK):
        drawn = generator.integers(0, len(sizes), size=(_CHUNK, len(sizes)))
        mean, error = _mean_and_error(totals[drawn], sizes[drawn])
        with np.errstate(divide="ignore", invalid="ignore"):
            found.append(np.where(error > 0, (mean - value) / error, np.sign(mean - value) * 1e3))
    return np.concatenate(found)

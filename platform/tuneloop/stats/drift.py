"""Label-free tripwire: has the traffic changed? It never says that accuracy did; a person's labels must.

Both tests are permutation tests, so their level holds whatever the distribution, ties included, and a p-value below
0.05 trips in 5 % of unchanged weeks. Population stability index cut-offs have no level; they are not used.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_BINS = 20
_PERMUTATIONS = 5000
_BATCH = 500
_ENOUGH = 400
_GROWN = 1.5  # standard errors
_SEED = 20250101


@dataclass(frozen=True)
class Shift:
    """Change of confidence; `n` counts the current answers."""

    statistic: float
    p_value: float
    baseline_mean: float
    current_mean: float
    n: int


@dataclass(frozen=True)
class LabelMove:
    label: str
    baseline_share: float
    current_share: float


@dataclass(frozen=True)
class LabelShift:
    """Change of the mix of predicted labels; `moves` are ordered by the size of the change."""

    statistic: float
    p_value: float
    moves: tuple[LabelMove, ...]
    n: int


def confidence_shift(baseline: Array, current: Array, bins: int = _BINS) -> Shift:
    """Compares confidences (n0,) and (n,) by chi-square over quantile bins.

    The bins are quantiles of both samples together, which is what makes permuting exact.
    """
    old, new = _sample(baseline), _sample(current)
    pooled = np.concatenate([old, new])
    edges = np.unique(np.quantile(pooled, np.arange(1, bins) / bins, method="inverted_cdf"))
    statistic, p_value = _permutation_test(
        np.bincount(np.searchsorted(edges, old), minlength=len(edges) + 1),
        np.bincount(np.searchsorted(edges, new), minlength=len(edges) + 1),
    )
    return Shift(statistic, p_value, float(old.mean()), float(new.mean()), len(new))


def label_shift(baseline: Sequence[str], current: Sequence[str]) -> LabelShift:
    """Compares the predicted labels of two sets of answers by chi-square."""
    if not (baseline and current):
        raise ValueError("a shift needs at least one answer on each side")
    labels, codes = np.unique(np.array([*baseline, *current], dtype=str), return_inverse=True)
    old = np.bincount(codes[: len(baseline)], minlength=len(labels))
    new = np.bincount(codes[len(baseline) :], minlength=len(labels))
    statistic, p_value = _permutation_test(old, new)
    moves = [
        LabelMove(str(label), float(before), float(after))
        for label, before, after in zip(labels, old / old.sum(), new / new.sum(), strict=True)
    ]
    moves.sort(key=lambda move: -abs(move.current_share - move.baseline_share))
    return LabelShift(statistic, p_value, tuple(moves), len(current))


def flagged(baseline: Array, current: Array, bins: int = _BINS) -> NDArray[np.bool_]:
    """Which of the `current` answers (n,) lie where there are now more than before: the region to label next.

    Of equally filled bins of the baseline's confidence, those whose share clearly grew, or else
    the one that grew most.
    """
    return flagged_among(baseline, current, current, bins)


def flagged_among(baseline: Array, current: Array, answers: Array, bins: int = _BINS) -> NDArray[np.bool_]:
    """Which of any `answers` (m,) lie in the region that `flagged` finds by comparing the other two."""
    old, new = _sample(baseline), _sample(current)
    edges = np.unique(np.quantile(old, np.arange(1, bins) / bins, method="inverted_cdf"))
    before = np.bincount(np.searchsorted(edges, old), minlength=len(edges) + 1) / len(old)
    now = np.bincount(np.searchsorted(edges, new), minlength=len(edges) + 1) / len(new)
    error = np.sqrt(before * (1 - before) * (1 / len(old) + 1 / len(new)))
    excess = (now - before) / np.maximum(error, 1e-12)
    grown = excess > _GROWN if (excess > _GROWN).any() else excess == excess.max()
    return np.asarray(grown[np.searchsorted(edges, answers)], dtype=bool)


def either(*p_values: float) -> float:
    """One p-value for "any of these tests tripped" (Bonferroni)."""
    return min(1.0, len(p_values) * min(p_values))


def _permutation_test(old: NDArray[np.int64], new: NDArray[np.int64]) -> tuple[float, float]:
    """Chi-square statistic of two count vectors (bins,), and its p-value given their sum and sizes.

    Stops as soon as enough permutations exceed the statistic; the p-value stays valid (Besag and Clifford 1991).
    """
    both = old + new
    generator = np.random.default_rng(_SEED)
    statistic = float(_chi_square(new[None, :], both)[0])
    exceeding = np.zeros(0, dtype=bool)
    while len(exceeding) < _PERMUTATIONS:
        permuted = generator.multivariate_hypergeometric(both, new.sum(), size=_BATCH, method="marginals")
        exceeding = np.concatenate([exceeding, _chi_square(permuted, both) >= statistic - 1e-9])
        so_far = np.cumsum(exceeding)
        if so_far[-1] >= _ENOUGH:
            return statistic, _ENOUGH / (1 + int(np.searchsorted(so_far, _ENOUGH)))
    return statistic, (1 + int(exceeding.sum())) / (1 + len(exceeding))


def _chi_square(new: NDArray[np.int64], both: NDArray[np.int64]) -> Array:
    """Pearson's statistic of the two-row table whose second row is `new` (runs, bins) and whose column sums are `both`.

    With the margins fixed, the first row's share follows, so one row's squared deviations suffice.
    """
    total, size = both.sum(), new[0].sum()
    used = both > 0
    expected = both[used] * (size / total)
    scale = total / (total - size)
    deviation: Array = (((new[:, used] - expected) ** 2) / expected).sum(axis=1) * scale
    return deviation


def _sample(values: Array) -> Array:
    sample = np.asarray(values, dtype=float)
    if sample.ndim != 1 or not sample.size or not np.isfinite(sample).all():
        raise ValueError("a shift needs a one-dimensional array of finite confidences on each side")
    return sample

"""Label-free tripwire: has the traffic changed, and which part of it grew? It never says that accuracy fell.

Both tests are permutation tests, so their level holds whatever the distribution, ties included, and a p-value below
0.05 trips in 5 % of unchanged weeks. Population stability index cut-offs have no level; they are not used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

TRIPS_A_YEAR = 2
LEVEL = TRIPS_A_YEAR / 52
"""Unchanged traffic trips about twice a year; each trip costs some 40 labels and no more."""

MOST_COMPARED = 1000
"""More answers would find changes too small to matter."""

_BINS = 20
_PERMUTATIONS = 5000
_BATCH = 500
_ENOUGH = 400
_STANDS_OUT = 1.0  # standard deviations
_SEED = 20250101


class Traffic(NamedTuple):
    """Answers with a confidence: (n,) confidences, and the answers in the same order."""

    confidence: Array
    answers: list[str]


class Region(NamedTuple):
    """The part of the traffic that there is more of: ranges of confidence [low, high), or predicted labels."""

    ranges: list[tuple[float, float]]
    labels: list[str]

    def holds(self, traffic: Traffic) -> NDArray[np.bool_]:
        """(n,) whether each answer lies in it."""
        inside = np.isin(np.array(traffic.answers, dtype=str), self.labels)
        for low, high in self.ranges:
            inside |= (traffic.confidence >= low) & (traffic.confidence < high)
        return inside


@dataclass(frozen=True)
class Shift:
    """Change of confidence."""

    statistic: float
    p_value: float


@dataclass(frozen=True)
class LabelMove:
    label: str
    baseline_share: float
    current_share: float


@dataclass(frozen=True)
class LabelShift:
    """Change of the mix of predicted labels; `moves` are ordered by the size of the change."""

    p_value: float
    moves: tuple[LabelMove, ...]


@dataclass(frozen=True)
class TrafficShift:
    """What the tests say together; `region` is the part that grew, None where they do not alarm.

    `labels` is None where answers are not labels.
    """

    confidence: Shift
    labels: LabelShift | None
    p_value: float
    region: Region | None

    @property
    def p_values(self) -> dict[str, float]:
        """Of each test."""
        found = {"confidence": self.confidence.p_value}
        return found if self.labels is None else {**found, "labels": self.labels.p_value}


def traffic_shift(before: Traffic, current: Traffic, *, labelled: bool) -> TrafficShift:
    """Compares at most `MOST_COMPARED` answers of each: confidences, and the answers too where these are labels."""
    confidence = confidence_shift(before.confidence, current.confidence)
    labels = label_shift(before.answers, current.answers) if labelled else None
    p_value = either(confidence.p_value, *([labels.p_value] if labels else []))
    region = None
    if p_value <= LEVEL:
        by_label = labels is not None and labels.p_value < confidence.p_value
        region = _grown_labels(before, current) if by_label else _grown_ranges(before, current)
    return TrafficShift(confidence, labels, p_value, region)


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
    return Shift(statistic, p_value)


def label_shift(baseline: Sequence[str], current: Sequence[str]) -> LabelShift:
    """Compares the predicted labels of two sets of answers by chi-square."""
    if not (baseline and current):
        raise ValueError("a shift needs at least one answer on each side")
    labels, codes = np.unique(np.array([*baseline, *current], dtype=str), return_inverse=True)
    old = np.bincount(codes[: len(baseline)], minlength=len(labels))
    new = np.bincount(codes[len(baseline) :], minlength=len(labels))
    _, p_value = _permutation_test(old, new)
    moves = [
        LabelMove(str(label), float(before), float(after))
        for label, before, after in zip(labels, old / old.sum(), new / new.sum(), strict=True)
    ]
    moves.sort(key=lambda move: -abs(move.current_share - move.baseline_share))
    return LabelShift(p_value, tuple(moves))


def either(*p_values: float) -> float:
    """One p-value for "any of these tests tripped" (Bonferroni)."""
    return min(1.0, len(p_values) * min(p_values))


def _grown_ranges(before: Traffic, current: Traffic) -> Region:
    edges = np.unique(np.quantile(before.confidence, np.arange(1, _BINS) / _BINS, method="inverted_cdf"))
    bounds = [0.0, *(float(edge) for edge in edges), 1.01]
    old = np.bincount(np.searchsorted(edges, before.confidence, side="right"), minlength=len(edges) + 1)
    new = np.bincount(np.searchsorted(edges, current.confidence, side="right"), minlength=len(edges) + 1)
    ranges = [(bounds[place], bounds[place + 1]) for place in _standing_out(old, new)]
    return Region(_joined(ranges), [])


def _grown_labels(before: Traffic, current: Traffic) -> Region:
    names = sorted({*before.answers, *current.answers})
    place = {name: index for index, name in enumerate(names)}
    old = np.bincount([place[name] for name in before.answers], minlength=len(names))
    new = np.bincount([place[name] for name in current.answers], minlength=len(names))
    return Region([], [names[index] for index in _standing_out(old, new)])


def _standing_out(old: NDArray[np.int64], new: NDArray[np.int64]) -> list[int]:
    """Cells that hold clearly more of the new answers than of the old, or else the one that grew most."""
    expected = (old + 0.5) / (old + 0.5).sum() * new.sum()
    excess = (new - expected) / np.sqrt(expected)
    found = np.flatnonzero(excess > _STANDS_OUT)
    return [int(place) for place in (found if found.size else [int(excess.argmax())])]


def _joined(ranges: list[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for low, high in ranges:
        if joined and joined[-1][1] == low:
            joined[-1] = (joined[-1][0], high)
        else:
            joined.append((low, high))
    return joined


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

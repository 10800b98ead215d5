"""Two versions judged on the same items: what was fixed, what was broken, and how sure that is.

Items on which both versions are right, or both wrong, say nothing about the difference.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import scipy
from numpy.typing import NDArray

from tuneloop.stats.intervals import Interval, Rate, normal_quantile


@dataclass(frozen=True)
class PairedCounts:
    """The paired 2x2 table; `fixed` counts items that only the candidate got right, `broken` only production."""

    both_right: int
    fixed: int
    broken: int
    both_wrong: int

    def __post_init__(self) -> None:
        if min(self.both_right, self.fixed, self.broken, self.both_wrong) < 0:
            raise ValueError(f"counts can't be negative: {self}")

    @property
    def n(self) -> int:
        return self.both_right + self.fixed + self.broken + self.both_wrong

    @property
    def production(self) -> Rate:
        return Rate(self.both_right + self.broken, self.n)

    @property
    def candidate(self) -> Rate:
        return Rate(self.both_right + self.fixed, self.n)

    @property
    def difference(self) -> float:
        """Candidate's accuracy minus production's; NaN without items."""
        return (self.fixed - self.broken) / self.n if self.n else math.nan


@dataclass(frozen=True)
class PairedComparison:
    """`interval` is Tango's score interval of the difference, `p_value` the two-sided mid-p McNemar."""

    counts: PairedCounts
    interval: Interval
    p_value: float

    @property
    def n(self) -> int:
        return self.counts.n

    @property
    def fixed(self) -> int:
        return self.counts.fixed

    @property
    def broken(self) -> int:
        return self.counts.broken

    @property
    def difference(self) -> float:
        return self.counts.difference


class Alternative(StrEnum):
    DIFFERENT = "different"
    BETTER = "better"
    WORSE = "worse"


def count(production: NDArray[np.bool_], candidate: NDArray[np.bool_]) -> PairedCounts:
    """Tables two boolean arrays (n,) of "was right", item by item in the same order."""
    old, new = np.asarray(production, dtype=bool), np.asarray(candidate, dtype=bool)
    if old.ndim != 1 or old.shape != new.shape:
        raise ValueError(f"both versions must answer the same items, got shapes {old.shape} and {new.shape}")
    return PairedCounts(
        both_right=int(np.sum(old & new)),
        fixed=int(np.sum(~old & new)),
        broken=int(np.sum(old & ~new)),
        both_wrong=int(np.sum(~old & ~new)),
    )


def compare_counts(counts: PairedCounts, level: float = 0.95) -> PairedComparison:
    return PairedComparison(counts, tango_interval(counts, level), mcnemar_mid_p(counts))


def mcnemar_exact(counts: PairedCounts, alternative: Alternative = Alternative.DIFFERENT) -> float:
    """Exact McNemar test: given the discordant items, is fixed ~ Binomial(discordant, 1/2)?"""
    return _mcnemar(counts, alternative, tie_share=1.0)


def mcnemar_mid_p(counts: PairedCounts, alternative: Alternative = Alternative.DIFFERENT) -> float:
    """McNemar with half the probability of the observed table: close to its level where exact is timid.

    Fagerland, Lydersen, Laake 2013, "The McNemar test for binary matched-pairs data".
    """
    return _mcnemar(counts, alternative, tie_share=0.5)


def tango_interval(counts: PairedCounts, level: float = 0.95) -> Interval:
    """Two-sided score interval of the paired difference (Tango 1998); (-1, 1) without items."""
    z = normal_quantile(level)
    return Interval(_tango_bound(counts, z), _tango_bound(counts, -z))


def tango_lower(counts: PairedCounts, level: float = 0.95) -> float:
    """One-sided lower bound; non-inferiority by `margin` is proven at 1 - `level` when it exceeds -margin."""
    return _tango_bound(counts, normal_quantile(2 * level - 1))


def tango_upper(counts: PairedCounts, level: float = 0.95) -> float:
    """One-sided upper bound of the paired difference."""
    return _tango_bound(counts, -normal_quantile(2 * level - 1))


def tango_score(counts: PairedCounts, difference: float) -> float:
    """Standardised distance of the observed from a hypothetical difference in (-1, 1); N(0, 1) if that is true.

    The variance uses the maximum-likelihood share of broken items given the hypothesis.
    """
    n, fixed, broken = counts.n, counts.fixed, counts.broken
    variance = n * (null_discordance(n, fixed, broken, difference) - difference**2)
    distance = fixed - broken - n * difference
    if variance <= 0:
        return 0.0 if distance == 0 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)


def null_discordance(n: float, fixed: float, broken: float, difference: float) -> float:
    """Maximum-likelihood share of discordant items among `n`, if the true difference were `difference` (Tango 1998)."""
    linear = -fixed - broken + (2 * n - fixed + broken) * difference
    constant = -broken * difference * (1 - difference)
    share_broken = (math.sqrt(max(linear * linear - 8 * n * constant, 0.0)) - linear) / (4 * n)
    return 2 * share_broken + difference


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjusted p-values (m,) that control the familywise error under any dependence (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    scaled = np.asarray(p_values, dtype=float)[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def _mcnemar(counts: PairedCounts, alternative: Alternative, *, tie_share: float) -> float:
    discordant = counts.fixed + counts.broken
    point = tie_share * float(scipy.stats.binom.pmf(counts.fixed, discordant, 0.5))
    better = float(scipy.stats.binom.sf(counts.fixed, discordant, 0.5)) + point
    worse = float(scipy.stats.binom.cdf(counts.fixed - 1, discordant, 0.5)) + point
    match alternative:
        case Alternative.BETTER:
            return better
        case Alternative.WORSE:
            return worse
        case Alternative.DIFFERENT:
            return min(1.0, 2 * min(better, worse))


def _tango_bound(counts: PairedCounts, z: float) -> float:
    """The difference whose score equals z; the score falls as the hypothetical difference grows."""
    edge = -1.0 if z > 0 else 1.0
    if not counts.n or counts.difference == edge:
        return edge

    def distance(difference: float) -> float:
        return tango_score(counts, difference) - z

    almost = edge * (1 - 1e-12)
    if math.copysign(1.0, distance(almost)) != math.copysign(1.0, z):
        return edge
    return float(scipy.optimize.brentq(distance, *sorted((counts.difference, almost)), xtol=1e-10))

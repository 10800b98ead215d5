"""Rates of several categories that borrow strength from each other: beta-binomial partial pooling.

A category with few labels is drawn towards the others, one with many keeps its own rate; how far is learnt from how
much the categories differ. The common Beta(m s, (1 - m) s) is not fixed at one guess: mean m and strength s are
averaged over a grid with their posterior, so intervals stay honest with few categories (Gelman et al., BDA3, ch. 5).
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from tuneloop.stats.intervals import Rate

Array = NDArray[np.float64]

_MEANS = np.linspace(0.02, 0.98, 33)
_STRENGTHS = np.exp(np.linspace(np.log(2.0), np.log(300.0), 13))
_NEGLIGIBLE = 1e-3
_SHARES = np.linspace(0.0, 1.0, 201)


class Shrunk(NamedTuple):
    """Posterior mean with its 95 % interval; `n` are the category's own labels."""

    value: float
    low: float
    high: float
    n: int


class Beta(NamedTuple):
    right: float
    wrong: float


class _Mixture(NamedTuple):
    """Possible common distributions: Beta(right, wrong) with `weight`, each (c,)."""

    right: Array
    wrong: Array
    weight: Array


def pooled(counts: Mapping[str, tuple[int, int]]) -> dict[str, Shrunk]:
    """Shrunk rates of categories given as (correct, n), for display; a category without labels gets the common one."""
    common = _common(counts)
    return {name: _shrunk(Rate(*pair), common) for name, pair in counts.items()}


def posteriors(counts: Mapping[str, tuple[int, int]]) -> dict[str, Beta]:
    """Each category's posterior as the beta distribution with the same mean and variance."""
    common = _common(counts)
    found = {}
    for name, (correct, n) in counts.items():
        right, wrong = common.right + correct, common.wrong + n - correct
        mean = right / (right + wrong)
        centre = float(common.weight @ mean)
        within = mean * (1 - mean) / (right + wrong + 1)
        variance = float(common.weight @ (within + (mean - centre) ** 2))
        strength = centre * (1 - centre) / variance - 1
        found[name] = Beta(centre * strength, (1 - centre) * strength)
    return found


def _common(counts: Mapping[str, tuple[int, int]]) -> _Mixture:
    rates = [Rate(*pair) for pair in counts.values()]
    mean, strength = (axis.ravel() for axis in np.meshgrid(_MEANS, _STRENGTHS))
    right, wrong = mean * strength, (1 - mean) * strength
    log_weight = np.zeros_like(right)
    for rate in rates:
        if rate.n:
            log_weight += scipy.special.betaln(right + rate.correct, wrong + rate.n - rate.correct)
            log_weight -= scipy.special.betaln(right, wrong)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    kept = weight > _NEGLIGIBLE * weight.max()
    return _Mixture(right[kept], wrong[kept], weight[kept] / weight[kept].sum())


def _shrunk(rate: Rate, common: _Mixture) -> Shrunk:
    right, wrong = common.right + rate.correct, common.wrong + rate.n - rate.correct
    below = common.weight @ scipy.special.betainc(right[:, None], wrong[:, None], _SHARES)
    low, high = np.interp([0.025, 0.975], below, _SHARES)
    value = common.weight @ (right / (right + wrong))
    return Shrunk(float(value), float(low), float(high), rate.n)

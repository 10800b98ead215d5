"""The self-starting Shiryaev-Roberts recursion for a falling success rate, for many runs at once.

For every possible baseline p and drop d the evidence follows SR <- LR (1 + SR), where LR is the likelihood ratio of a
week's labels under p - d against p. E[LR] <= 1 while the rate is p or better, so SR_t - t is a supermartingale and
P(max over T weeks of SR >= A) <= T / A (Doob). The statistic averages SR over drops, and over baselines with their
posterior given all labels so far. Sources: Shin, Ramdas, Rinaldo 2022 (e-detectors); Shiryaev 1963; Roberts 1966.
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import scipy
from numpy.typing import NDArray

from tuneloop.stats.intervals import Rate

Array = NDArray[np.float64]

DROPS = (0.03, 0.05, 0.07, 0.10, 0.15, 0.25)
_BASELINES = 33
_LOWEST_RATE = 0.005
_CEILING = 1e100  # keeps the products finite; far beyond every threshold


class Design(NamedTuple):
    """What a chart knows at its start: Beta(right, wrong) of the baseline rate, and the `drops` that it looks for.

    `overdispersion` is the correlation of two labels of one week: 0 if the true rate stays the same from week to week,
    s^2 / (p (1 - p)) if it wobbles around p with standard deviation s.
    """

    right: float
    wrong: float
    drops: tuple[float, ...] = DROPS
    overdispersion: float = 0.0

    @classmethod
    def after(cls, baseline: Rate, overdispersion: float = 0.0) -> Self:
        """Jeffreys posterior of a baseline that was labelled once."""
        wrong = baseline.n - baseline.correct
        return cls(baseline.correct + 0.5, wrong + 0.5, overdispersion=overdispersion)


@dataclass(frozen=True)
class Grid:
    """Hypotheses: `rates` (g,) with log prior `log_weight` (g,), and the rates `fallen` (g, d) after each drop."""

    rates: Array
    log_weight: Array
    fallen: Array
    overdispersion: float

    @classmethod
    def around(cls, baseline: Rate) -> Self:
        return cls.of(Design.after(baseline))

    @classmethod
    def of(cls, design: Design) -> Self:
        """Rates that the design's posterior holds possible, each standing for an equal step."""
        posterior = scipy.stats.beta(design.right, design.wrong)
        low, high = max(posterior.ppf(1e-4), 2 * _LOWEST_RATE), min(posterior.ppf(1 - 1e-4), 1 - 1e-6)
        rates = np.linspace(min(low, high), high, _BASELINES)
        return cls(
            rates=rates,
            log_weight=posterior.logpdf(rates),
            fallen=np.maximum(rates[:, None] - np.array(design.drops), _LOWEST_RATE),
            overdispersion=design.overdispersion,
        )

    def log_likelihood(self, correct: NDArray[np.int64], n: int, rates: Array) -> Array:
        """Of `correct` (c,) of `n` labels of a week, at each of the `rates` (...); shape (c, ...).

        Binomial, or beta-binomial where weeks wobble; without the factor that all rates share.
        """
        right = correct.reshape(-1, *([1] * rates.ndim)).astype(float)
        if not self.overdispersion:
            return np.asarray(right * np.log(rates) + (n - right) * np.log1p(-rates))
        size = 1 / self.overdispersion - 1
        a, b = rates * size, (1 - rates) * size
        return np.asarray(scipy.special.betaln(right + a, n - right + b) - scipy.special.betaln(a, b))


class Recursion:
    """Evidence of several independent runs, all on the same grid."""

    def __init__(self, grid: Grid, runs: int) -> None:
        self._grid = grid
        self._evidence: Array = np.zeros((runs, *grid.fallen.shape))
        self._log_weight: Array = np.tile(grid.log_weight, (runs, 1))

    def observe(self, correct: NDArray[np.int64], n: int) -> Array:
        """Takes one week per run, `correct` (runs,) of `n` labels; returns the log of each run's statistic (runs,)."""
        grid = self._grid
        counts, of_run = np.unique(correct, return_inverse=True)
        before = grid.log_likelihood(counts, n, grid.rates)
        after = grid.log_likelihood(counts, n, grid.fallen)
        gain = np.exp(np.minimum(after - before[:, :, None], 400.0))
        self._evidence += 1
        self._evidence *= gain[of_run]
        np.minimum(self._evidence, _CEILING, out=self._evidence)
        self._log_weight += before[of_run]
        weight = np.exp(self._log_weight - self._log_weight.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        statistic: Array = np.einsum("rg,rgd->r", weight, self._evidence) / grid.fallen.shape[1]
        return np.asarray(np.log(np.maximum(statistic, 1e-300)))

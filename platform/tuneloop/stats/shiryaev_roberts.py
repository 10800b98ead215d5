"""The self-starting Shiryaev-Roberts recursion for a falling success rate, for many runs at once.

For every possible baseline p and drop d the evidence follows SR <- LR (1 + SR), where LR is the likelihood ratio of a
week's labels under p - d against p. E[LR] <= 1 while the rate is p or better, so SR_t - t is a supermartingale and
P(max over T weeks of SR >= A) <= T / A (Doob). The statistic averages SR over drops, and over baselines with their
posterior given all labels so far. Sources: Shin, Ramdas, Rinaldo 2022 (e-detectors); Shiryaev 1963; Roberts 1966.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tuneloop.stats.intervals import Rate

Array = NDArray[np.float64]

DROPS = (0.03, 0.05, 0.07, 0.10, 0.15, 0.25)
_BASELINES = 33
_LOWEST_RATE = 0.005
_CEILING = 1e100  # keeps the products finite; far beyond every threshold


@dataclass(frozen=True)
class Grid:
    """Hypotheses: `rates` (g,) with log prior `log_weight` (g,), and log rates after each drop (g, d)."""

    rates: Array
    log_weight: Array
    log_gain_correct: Array
    log_gain_wrong: Array

    @classmethod
    def around(cls, baseline: Rate) -> Self:
        """Rates that the baseline's Jeffreys posterior holds possible, each standing for an equal step."""
        posterior = stats.beta(baseline.correct + 0.5, baseline.n - baseline.correct + 0.5)
        low, high = max(posterior.ppf(1e-4), 2 * _LOWEST_RATE), min(posterior.ppf(1 - 1e-4), 1 - 1e-6)
        rates = np.linspace(min(low, high), high, _BASELINES)
        fallen = np.maximum(rates[:, None] - np.array(DROPS), _LOWEST_RATE)
        return cls(
            rates=rates,
            log_weight=posterior.logpdf(rates),
            log_gain_correct=np.log(fallen / rates[:, None]),
            log_gain_wrong=np.log((1 - fallen) / (1 - rates[:, None])),
        )


class Recursion:
    """Evidence of several independent runs, all on the same grid."""

    def __init__(self, grid: Grid, runs: int) -> None:
        self._grid = grid
        self._evidence: Array = np.zeros((runs, *grid.log_gain_correct.shape))
        self._log_weight: Array = np.tile(grid.log_weight, (runs, 1))

    def observe(self, correct: NDArray[np.int64], n: int) -> Array:
        """Takes one week per run, `correct` (runs,) of `n` labels; returns the log of each run's statistic (runs,)."""
        grid = self._grid
        counts, of_run = np.unique(correct, return_inverse=True)
        right = counts[:, None, None]
        gain = np.exp(np.minimum(right * grid.log_gain_correct + (n - right) * grid.log_gain_wrong, 400.0))
        self._evidence += 1
        self._evidence *= gain[of_run]
        np.minimum(self._evidence, _CEILING, out=self._evidence)
        k = correct[:, None]
        self._log_weight += k * np.log(grid.rates) + (n - k) * np.log1p(-grid.rates)
        weight = np.exp(self._log_weight - self._log_weight.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        statistic: Array = np.einsum("rg,rgd->r", weight, self._evidence) / len(DROPS)
        return np.asarray(np.log(np.maximum(statistic, 1e-300)))

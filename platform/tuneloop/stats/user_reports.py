"""Chart of the rate at which users report answers: have reports become more frequent?

Reports are a biased sample, so this chart says nothing about accuracy; it has its own alarm.
"""

import math
from typing import NamedTuple, Self, TypedDict

import numpy as np
import scipy
from numpy.typing import NDArray

Array = NDArray[np.float64]

RATIOS = (1.25, 1.5, 2.0, 3.0, 5.0)
_RATES = 60
_CEILING = 1e250
_LOWEST = 1e-7


class ReportsState(TypedDict):
    """A chart in JSON types: pairs are [reports, answers]."""

    baseline: list[int]
    false_alarm_rate: float
    horizon: int
    weeks: list[list[int]]


class ReportsReading(NamedTuple):
    """`statistic` and `threshold` are natural logarithms of evidence."""

    statistic: float
    threshold: float
    alarm: bool


class ReportsChart:
    """Self-starting Shiryaev-Roberts chart of a Poisson rate; `baseline` is (reports, answers).

    For every possible baseline rate r and ratio q the evidence follows SR <- LR (1 + SR), with the likelihood ratio
    LR = q^k exp(-(q - 1) r n) of k reports on n answers at rate q r against r; evidence is averaged over the ratios and
    over the posterior of r given all counts (Gamma, Jeffreys). At rates up to r, LR has mean at most 1, so by Doob's
    inequality any alarm within `horizon` weeks has at most the probability `false_alarm_rate` (on average over the
    posterior). Reports that belong together must be counted once: the guarantee is for independent reporters.
    """

    def __init__(self, baseline: tuple[int, int], *, false_alarm_rate: float = 0.05, horizon: int = 52) -> None:
        reports, answers = baseline
        if reports < 0 or answers < 1:
            raise ValueError(f"a baseline needs reports >= 0 and answers >= 1, got {reports} and {answers}")
        if not 0 < false_alarm_rate < 1 or horizon < 1:
            raise ValueError(f"needs 0 < rate < 1 and horizon >= 1, got {false_alarm_rate} and {horizon}")
        self._baseline = (reports, answers)
        self._false_alarm_rate, self._horizon = false_alarm_rate, horizon
        posterior = scipy.stats.gamma(reports + 0.5, scale=1 / answers)
        low, high = max(posterior.ppf(1e-4), _LOWEST), posterior.ppf(1 - 1e-4)
        self._rates: Array = np.linspace(low, high, _RATES)
        self._log_weight: Array = posterior.logpdf(self._rates)
        self._evidence: Array = np.zeros((_RATES, len(RATIOS)))
        self._weeks: list[tuple[int, int]] = []

    @property
    def threshold(self) -> float:
        return math.log(self._horizon / self._false_alarm_rate)

    @property
    def baseline(self) -> tuple[int, int]:
        return self._baseline

    @property
    def weeks(self) -> tuple[tuple[int, int], ...]:
        return tuple(self._weeks)

    def observe(self, reports: int, answers: int) -> ReportsReading:
        """Adds one week of `reports` on `answers`; a week without answers is no observation."""
        if reports < 0 or answers < 1:
            raise ValueError(f"a week needs reports >= 0 and answers >= 1, got {reports} and {answers}")
        statistic = self._add(reports, answers)
        return ReportsReading(statistic, self.threshold, statistic >= self.threshold)

    def to_dict(self) -> ReportsState:
        return {
            "baseline": list(self._baseline),
            "false_alarm_rate": self._false_alarm_rate,
            "horizon": self._horizon,
            "weeks": [list(week) for week in self._weeks],
        }

    @classmethod
    def from_dict(cls, state: ReportsState) -> Self:
        """Replays the weeks."""
        reports, answers = state["baseline"]
        chart = cls((reports, answers), false_alarm_rate=state["false_alarm_rate"], horizon=state["horizon"])
        for week_reports, week_answers in state["weeks"]:
            chart._add(week_reports, week_answers)
        return chart

    def _add(self, reports: int, answers: int) -> float:
        self._weeks.append((reports, answers))
        ratios = np.array(RATIOS)
        log_gain = reports * np.log(ratios) - np.outer(self._rates * answers, ratios - 1)
        self._evidence = np.minimum((1 + self._evidence) * np.exp(np.minimum(log_gain, 400.0)), _CEILING)
        self._log_weight += reports * np.log(self._rates) - answers * self._rates
        weight = np.exp(self._log_weight - self._log_weight.max())
        weight /= weight.sum()
        return math.log(max(float(weight @ self._evidence.mean(axis=1)), 1e-300))

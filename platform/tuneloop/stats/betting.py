"""Weekly control chart of bounded scores, such as a judge's 1 to 5 or an F1: did the mean fall?

For every possible baseline mean m and stake w the evidence follows SR <- W (1 + SR) with W the product of the week's
bets 1 + w (m - x). While the mean is m or more no bet gains on average, whatever the scores' distribution, so the bound
of `shiryaev_roberts` holds. Sources: Waudby-Smith and Ramdas 2023 (betting); Shin, Ramdas, Rinaldo 2022 (e-detectors).
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Self, TypedDict

import numpy as np
from numpy.typing import NDArray
from scipy import special

from tuneloop.stats.control_charts import Reading
from tuneloop.stats.thresholds import guaranteed

Array = NDArray[np.float64]

_MEANS = 17
_STAKES = np.array([0.03, 0.06, 0.12, 0.25, 0.5])  # shares of the largest stake that can't lose everything
_RUNS = 1000
_SEED = 20250101
_CEILING = 1e100


class ScoreChartState(TypedDict):
    """A chart in JSON types; scores in their own units."""

    baseline: list[float]
    low: float
    high: float
    false_alarm_rate: float
    horizon: int
    weeks: list[list[float]]


class ScoreChart:
    """As `charts.DriftChart`, for scores between `low` and `high`; one observation is a week's scores.

    The calibrated threshold comes from simulated years whose scores are drawn from the baseline's own, reweighted at
    random to allow for their uncertainty (Bayesian bootstrap, Rubin 1981).
    """

    def __init__(
        self,
        baseline_scores: Sequence[float],
        *,
        low: float = 0.0,
        high: float = 1.0,
        false_alarm_rate: float = 0.05,
        horizon: int = 52,
    ) -> None:
        if not 0 < false_alarm_rate < 1 or horizon < 1 or not low < high:
            raise ValueError(
                f"needs 0 < rate < 1, horizon >= 1 and low < high: {false_alarm_rate}, {horizon}, {low}, {high}"
            )
        if len(baseline_scores) < 2:
            raise ValueError(f"a score chart needs a baseline of at least two scores, got {len(baseline_scores)}")
        self._low, self._high = float(low), float(high)
        self._baseline = tuple(float(score) for score in baseline_scores)
        self._false_alarm_rate, self._horizon = false_alarm_rate, horizon
        self._bets = _Bets(self._scaled(self._baseline), runs=1)
        self._weeks: list[tuple[float, ...]] = []

    @property
    def guaranteed_threshold(self) -> float:
        return guaranteed(self._false_alarm_rate, self._horizon)

    @property
    def threshold(self) -> float:
        """Calibrated for the average number of scores a week so far."""
        if not self._weeks:
            return self.guaranteed_threshold
        typical = round(sum(map(len, self._weeks)) / len(self._weeks))
        scaled = tuple(np.round(self._scaled(self._baseline), 3).tolist())
        simulated = _simulated_threshold(scaled, typical, self._false_alarm_rate, self._horizon)
        return min(simulated, self.guaranteed_threshold)

    def observe(self, scores: Sequence[float]) -> Reading:
        """Adds one week of scores; a week without any is not an observation."""
        statistic = self._add(scores)
        threshold = self.threshold
        return Reading(statistic, threshold, statistic >= threshold, statistic >= self.guaranteed_threshold)

    def to_dict(self) -> ScoreChartState:
        return {
            "baseline": list(self._baseline),
            "low": self._low,
            "high": self._high,
            "false_alarm_rate": self._false_alarm_rate,
            "horizon": self._horizon,
            "weeks": [list(week) for week in self._weeks],
        }

    @classmethod
    def from_dict(cls, state: ScoreChartState) -> Self:
        """Replays the weeks."""
        chart = cls(
            state["baseline"],
            low=state["low"],
            high=state["high"],
            false_alarm_rate=state["false_alarm_rate"],
            horizon=state["horizon"],
        )
        for week in state["weeks"]:
            chart._add(week)
        return chart

    def _add(self, scores: Sequence[float]) -> float:
        if not len(scores):
            raise ValueError("a week without scores is no observation; leave it out")
        week = self._scaled(scores)
        self._weeks.append(tuple(float(score) for score in scores))
        return float(self._bets.observe(week, np.ones((1, len(week))))[0])

    def _scaled(self, scores: Sequence[float]) -> Array:
        values = np.asarray(scores, dtype=float)
        if values.ndim != 1 or not ((values >= self._low) & (values <= self._high)).all():
            raise ValueError(f"scores lie between {self._low:g} and {self._high:g}")
        return (values - self._low) / (self._high - self._low)


class _Bets:
    """Evidence of several independent runs about scores in [0, 1].

    A mean counts as much as bets against it, in both directions and on all scores so far, have lost: its weight is one
    over their capital. Unlike a likelihood, that needs no model of the scores.
    """

    def __init__(self, baseline: Array, runs: int) -> None:
        n = len(baseline)
        centre = (baseline.sum() + 0.5) / (n + 1)
        spread = np.sqrt((np.var(baseline) * n + 0.25) / (n + 1) / n)
        means = np.linspace(max(centre - 4 * spread, 0.01), min(centre + 4 * spread, 0.99), _MEANS)
        falling, rising = _STAKES / (1 - means[:, None]), -_STAKES / means[:, None]
        self.means, self.stakes = means, np.concatenate([falling, rising], axis=1)
        self._against: Array = np.tile(self._log_gain(baseline, np.ones((1, n))), (runs, 1, 1))
        self._evidence: Array = np.zeros((runs, *falling.shape))

    def observe(self, values: Array, counts: Array) -> Array:
        """Takes one week per run, of which score `values` (u,) came up `counts` (runs, u) times; log statistic."""
        log_gain = self._log_gain(values, counts)
        falls = np.exp(np.minimum(log_gain[:, :, : len(_STAKES)], 400.0))
        self._evidence = np.minimum((1 + self._evidence) * falls, _CEILING)
        self._against += log_gain
        log_weight = -special.logsumexp(self._against, axis=2)
        weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        statistic: Array = np.einsum("rm,rms->r", weight, self._evidence) / len(_STAKES)
        return np.asarray(np.log(np.maximum(statistic, 1e-300)))

    def _log_gain(self, values: Array, counts: Array) -> Array:
        """Log of what every bet multiplies its capital by, (runs, means, stakes)."""
        bets = np.log1p(self.stakes[:, :, None] * (self.means[:, None, None] - values))
        return np.asarray(counts @ bets.reshape(-1, len(values)).T).reshape(-1, *self.stakes.shape)


@lru_cache(maxsize=64)
def _simulated_threshold(baseline: tuple[float, ...], scores: int, false_alarm_rate: float, horizon: int) -> float:
    generator = np.random.default_rng(_SEED)
    values, times = np.unique(np.array(baseline), return_counts=True)
    shares = generator.dirichlet(times, size=_RUNS)
    bets = _Bets(np.array(baseline), runs=_RUNS)
    highest = np.full(_RUNS, -np.inf)
    for _ in range(horizon):
        highest = np.maximum(highest, bets.observe(values, generator.multinomial(scores, shares).astype(float)))
    return float(np.quantile(highest, 1 - false_alarm_rate, method="higher"))

"""Fixed anchors, asked again and again: did our own pipeline change?

A frozen model gives nearly the same answers every time, but not exactly: batching flips a few. What is tested is
whether more answers flipped than between two runs of the same version, and whether the flips did harm.
"""

from dataclasses import dataclass

import scipy

from tuneloop.stats.drift import either
from tuneloop.stats.intervals import Rate, jeffreys
from tuneloop.stats.paired import Alternative, PairedCounts, mcnemar_exact


@dataclass(frozen=True)
class Noise:
    """Answers that differed between two runs of the same version: the share with its 95 % Jeffreys interval."""

    flips: int
    n: int
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class CanaryReading:
    """`p_value` covers both questions, more flips than noise and more broken than fixed answers (Bonferroni)."""

    p_value: float
    alarm: bool


def noise_floor(flips: int, n: int) -> Noise:
    """Of `n` anchors answered twice by the same version, `flips` answers differed."""
    rate = Rate(flips, n)
    if not n:
        raise ValueError("a noise floor needs at least one anchor answered twice")
    interval = jeffreys(rate)
    return Noise(flips, n, rate.value, interval.low, interval.high)


def check(flips: int, n: int, broken: int, fixed: int, noise: Noise, alpha: float = 0.01) -> CanaryReading:
    """`flips` of `n` anchors differ from the first run; of those, some went from right to wrong or back."""
    if not 0 <= broken + fixed <= flips <= n or min(broken, fixed) < 0 or not n:
        raise ValueError(f"needs broken + fixed <= flips <= n, got {broken} + {fixed}, {flips}, {n}")
    harm = mcnemar_exact(PairedCounts(n - broken - fixed, fixed, broken, 0), Alternative.WORSE)
    p_value = either(_more_flips_than_noise(flips, n, noise), harm)
    return CanaryReading(p_value, p_value <= alpha)


def _more_flips_than_noise(flips: int, n: int, noise: Noise) -> float:
    """Chance of so many flips in `n` given the noise run, whose own uncertainty is in it (beta-binomial, Jeffreys)."""
    if not flips:
        return 1.0
    return float(scipy.stats.betabinom.sf(flips - 1, n, noise.flips + 0.5, noise.n - noise.flips + 0.5))

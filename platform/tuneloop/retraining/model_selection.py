"""Which of the adapters and blends that a cycle tried goes to the gate. Dev examples decide, never the gate's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from tuneloop.registry.policy import Policy

TARGET, STRONG = "target", "strong"
TYPICAL_CHANGE = 0.025
"""Standard deviation of what retraining with all old examples does to strong categories: a few points either way."""

TYPICAL_LOSS = 0.017
"""Around this: a new adapter blended in by a share costs strong categories so much times the share squared.

By least squares over ten retrains of three data sets (`make bench-yield`), where whole adapters lost 1.9 points on
average and blends of 0.7 lost 0.4.
"""


@dataclass(frozen=True)
class Stratum:
    """Dev examples of one kind, in one order for all versions: each score is in 0..1, finer than right or wrong."""

    correct: int
    scores: tuple[float, ...]

    @property
    def n(self) -> int:
        return len(self.scores)

    @property
    def score(self) -> float:
        return float(np.mean(self.scores))

    def figures(self) -> dict[str, Any]:
        return {"n": self.n, "correct": self.correct, "score": self.score}


Dev = Mapping[str, Stratum]
"""By stratum: what the retrain is for (or, with no such category, what came since the parent), and the rest."""


def summarise(strata: Sequence[str], correct: Sequence[bool], scores: Sequence[float]) -> dict[str, Stratum]:
    places = {name: [i for i, each in enumerate(strata) if each == name] for name in (STRONG, TARGET)}
    return {
        name: Stratum(sum(correct[i] for i in chosen), tuple(scores[i] for i in chosen))
        for name, chosen in places.items()
        if chosen
    }


def choose(production: Dev, tried: Sequence[Dev], blends: Sequence[float], policy: Policy) -> int:
    """Index of the one to send to the gate: that of the largest gain on the target, times its chance to pass.

    The chance is that of proving strong categories kept, by a gate whose interval is as wide as the margin: no change
    passes in half the cases. Few dev examples say little about it, so the measured change is shrunk by its error
    towards what a blend of that share usually does.
    """
    if not tried:
        raise ValueError("there is nothing to choose from")
    merits = [_merit(production, dev, blend, policy) for dev, blend in zip(tried, blends, strict=True)]
    return merits.index(max(merits))


def _merit(production: Dev, candidate: Dev, blend: float, policy: Policy) -> float:
    if not production:
        return float(np.mean([stratum.score for stratum in candidate.values()]))
    chance = 0.5
    if STRONG in candidate:
        error = NormalDist().inv_cdf(1 - policy.significance)
        change = _shrunk_change(production[STRONG], candidate[STRONG], usual=-TYPICAL_LOSS * blend**2)
        chance = NormalDist().cdf(change / policy.strong_margin * error)
    aim = TARGET if TARGET in candidate else STRONG
    gain = candidate[aim].score - production[aim].score
    return gain * chance if gain > 0 else gain


def _shrunk_change(production: Stratum, candidate: Stratum, *, usual: float) -> float:
    """Posterior mean of the true change under a normal prior around the usual one."""
    changes = np.subtract(candidate.scores, production.scores)
    variance = float(np.var(changes, ddof=1)) / len(changes) if len(changes) > 1 else 1.0
    weight = TYPICAL_CHANGE**2 / (TYPICAL_CHANGE**2 + variance)
    return weight * float(np.mean(changes)) + (1 - weight) * usual


def row_of(dev: Dev, production: Dev) -> dict[str, Any]:
    """What is kept of a candidate's dev scores."""
    return {
        name: {**stratum.figures(), "production": production[name].figures() if name in production else None}
        for name, stratum in dev.items()
    }

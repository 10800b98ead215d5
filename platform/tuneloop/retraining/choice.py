"""Which of the adapters and blends that a cycle tried goes to the gate. Dev examples decide, never the gate's."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tuneloop.registry.policy import Policy

OLD, NEW = "old", "new"


class Stratum(NamedTuple):
    """Dev examples of one age: `score` is their mean in 0..1, finer than the share of right answers."""

    n: int
    correct: int
    score: float


Dev = Mapping[str, Stratum]
"""By stratum: examples that the parent was trained on or with, and those that came since. An empty one is missing."""


def summarise(ages: Sequence[str], correct: Sequence[bool], scores: Sequence[float]) -> dict[str, Stratum]:
    strata = {}
    for age in (OLD, NEW):
        chosen = [index for index, each in enumerate(ages) if each == age]
        if chosen:
            mean = float(np.mean([scores[index] for index in chosen]))
            strata[age] = Stratum(len(chosen), sum(correct[index] for index in chosen), mean)
    return strata


def choose(production: Dev, tried: Sequence[Dev], policy: Policy) -> int:
    """Index of the one to send to the gate.

    First counts how far a candidate's worst stratum meets what the gate will ask of it: no loss on old examples, the
    worthwhile gain on new ones. Among those that meet it in full, the best mean of the strata.
    """
    if not tried:
        raise ValueError("there is nothing to choose from")
    return max(range(len(tried)), key=lambda index: _merit(production, tried[index], policy))


def _merit(production: Dev, candidate: Dev, policy: Policy) -> tuple[float, float]:
    demands = {
        OLD: lambda difference: (difference + policy.strong_margin) / policy.strong_margin,
        NEW: lambda difference: difference / policy.worthwhile_gain,
    }
    met = [demands[age](candidate[age].score - production[age].score) for age in candidate if age in production]
    mean = float(np.mean([stratum.score for stratum in candidate.values()])) if candidate else 0.0
    return min([1.0, *met]), mean


def row_of(dev: Dev, production: Dev) -> dict[str, Any]:
    """What is kept of a candidate's dev scores."""
    return {
        age: {**stratum._asdict(), "production": production[age]._asdict() if age in production else None}
        for age, stratum in dev.items()
    }

"""How far two labellers agree beyond chance."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tuneloop.stats.intervals import Rate


@dataclass(frozen=True)
class Agreement:
    """`kappa` is 1 for full agreement and 0 for what chance gives; `low` and `high` are its 95 % interval."""

    kappa: float
    observed: float
    low: float
    high: float
    n: int


def cohen_kappa(first: Sequence[str], second: Sequence[str]) -> Agreement:
    """Cohen's kappa (1960) of two labellers on the same items, in the same order.

    The interval is Wilson's of the observed agreement, with the agreement by chance taken as known, as in Cohen's own
    standard error; unlike that one it stays honest when a few items all agree. Where both used one and the same label
    throughout, chance explains everything; kappa is then 1 by convention, with an interval down to 0.
    """
    n = len(first)
    if n != len(second) or not n:
        raise ValueError(f"both labellers must have labelled the same items, got {n} and {len(second)}")
    agreed = Rate(sum(a == b for a, b in zip(first, second, strict=True)), n)
    of_first, of_second = Counter(first), Counter(second)
    chance = sum(of_first[label] * of_second[label] for label in of_first) / n**2
    if chance == 1:
        return Agreement(1.0, 1.0, 0.0, 1.0, n)
    kappa, low, high = ((share - chance) / (1 - chance) for share in (agreed.value, *agreed.interval))
    return Agreement(kappa, agreed.value, max(low, -1.0), high, n)

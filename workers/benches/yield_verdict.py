"""What a retrain truly did, on all items that nothing else uses, and what the product's gate says of it."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from yield_data import Draw

from tuneloop.evaluation.comparison import gate_policy
from tuneloop.registry.policy import Policy
from tuneloop.stats.gate import decide
from tuneloop.stats.outcome import Outcome
from tuneloop.stats.paired import Alternative, PairedCounts, count, mcnemar_mid_p
from tuneloop.stats.queue import in_order
from tuneloop.stats.strata import Flags, stratify
from tuneloop.stats.weighing import Answered, Judged, Weighing, is_near

LOOK, LIMIT = 5, 150
"""Labels between two looks, and in all."""

HELPS_NEW, HELPS_STRONG, CATEGORY_LOSS = 0.30, -0.01, 0.10


class Truth(NamedTuple):
    """On all held-back items: shares right before and after; `harmed` are known labels that truly lost."""

    overall: tuple[float, float]
    new: tuple[float, float]
    strong: tuple[float, float]
    strong_counts: PairedCounts
    worst: float
    harmed: tuple[str, ...]

    @property
    def helps(self) -> bool:
        gained = self.new[1] - self.new[0] >= HELPS_NEW
        return gained and self.strong[1] - self.strong[0] >= HELPS_STRONG and not self.harmed

    @property
    def harmful(self) -> bool:
        """Worse than the gate's margins allow: what must not be promoted."""
        policy = Policy()
        return (
            self.strong[1] - self.strong[0] < -policy.strong_margin
            or self.overall[1] - self.overall[0] < -policy.overall_margin
        )


def truth_of(draw: Draw, before: Sequence[str], after: Sequence[str]) -> Truth:
    """A label has truly lost with 10 points or more of its items, beyond what chance explains at 5 %."""
    old = np.array([answer == item.label for item, answer in zip(draw.truth, before, strict=True)])
    new = np.array([answer == item.label for item, answer in zip(draw.truth, after, strict=True)])
    labels = np.array([item.label for item in draw.truth])
    fresh = np.isin(labels, draw.new)
    by_label = {label: count(old[labels == label], new[labels == label]) for label in draw.known}
    harmed = tuple(
        label
        for label, counts in by_label.items()
        if counts.difference <= -CATEGORY_LOSS and mcnemar_mid_p(counts, Alternative.WORSE) <= 0.05
    )
    return Truth(
        (float(old.mean()), float(new.mean())),
        (float(old[fresh].mean()), float(new[fresh].mean())),
        (float(old[~fresh].mean()), float(new[~fresh].mean())),
        count(old[~fresh], new[~fresh]),
        min(counts.difference for counts in by_label.values()),
        harmed,
    )


class Gate(NamedTuple):
    outcome: Outcome
    labels: int


def gate_of(draw: Draw, before: Sequence[str], after: Sequence[str], seed: int) -> Gate:
    """The product's gate: golden items, then labels on differing answers to queries, at most `LIMIT`.

    `before` and `after` are the answers to the golden items, then to the queries.
    """
    policy, split = gate_policy(Policy()), len(draw.golden)
    right = Flags(
        np.array([answer == item.label for item, answer in zip(draw.golden, before[:split], strict=True)]),
        np.array([answer == item.label for item, answer in zip(draw.golden, after[:split], strict=True)]),
    )
    strata = stratify(right, [item.label for item in draw.golden], target=draw.new)
    pairs = list(zip(draw.queries, before[split:], after[split:], strict=True))
    differing = [pair for pair in pairs if pair[1] != pair[2]]
    random.Random(seed).shuffle(differing)
    differing = in_order(differing, [is_near(pair[1:], draw.new) for pair in differing])
    answered = Answered(
        len(pairs),
        len(differing),
        Counter(old for _, old, new in pairs if old == new),
        [(old, new) for _, old, new in differing],
    )
    weighing = Weighing(answered, strata.categories, target=draw.new, policy=policy, budget=Policy().label_budget)
    labels = 0
    while (verdict := decide(strata, policy, weighing.found)).outcome is Outcome.NEED_MORE_LABELS:
        asked = differing[labels : min(labels + LOOK, LIMIT)]
        if not asked:
            break
        weighing.look(
            [
                Judged(item.label, old == item.label, new == item.label, near=is_near((old, new), draw.new))
                for item, old, new in asked
            ]
        )
        labels += len(asked)
    return Gate(verdict.outcome, labels)

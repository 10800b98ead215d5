"""Labels only where two versions answer differently, one at a time, until the difference is clear enough.

Golden items are there at the first look, labels come look by look; what both say together is in
`tuneloop.stats.evidence`. One error is spent over all looks, by how much is known at each
(`tuneloop.stats.alpha_spending`).
"""

import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from tuneloop.stats.alpha_spending import Spending
from tuneloop.stats.evidence import Array, Evidence, Group, Label
from tuneloop.stats.intervals import Interval
from tuneloop.stats.queue import order

USUAL_BUDGET = 100
"""Labels that a look at the gate is planned for."""

_POWER_SCORE = NormalDist().inv_cdf(0.8)
_MOST_LABELS = 2000


@dataclass(frozen=True)
class Decision:
    """`difference` is candidate minus production on the group's traffic, an interval that holds at every look together.

    At most one of `non_inferior` and `harmful` is true; neither is taken back by later labels. `labels_needed` is the
    estimated number of further labels until the question is settled, 0 once it is. `queries` are the group's,
    `disagreements` and labels those of all traffic, `golden` the golden items that count.
    """

    non_inferior: bool
    superior: bool
    harmful: bool
    labels_used: int
    labels_needed: int
    difference: Interval
    estimate: float = 0.0
    queries: int = 0
    disagreements: int = 0
    golden: int = 0


class DisagreementTest:
    """Sequential test of the paired difference on a group's traffic.

    With a `margin` above 0 the question is whether a loss of as much is ruled out. `non_inferior` and `superior` are
    proven by golden items and labels together; `harmful`, a loss beyond the margin, by labels alone and with the error
    `harm`, since what the golden items prove against a candidate they prove by themselves. With one below 0 the
    question is whether there is a gain: `superior`, or `harmful` if one of -`margin` is ruled out, by all together.

    Each claim is false with at most `alpha` (`harm`). `budget` is the number of labels after which the test is meant to
    have decided (all disagreements if there are fewer); nearly all of the error is spent by then, and a twentieth is
    kept for labels beyond.
    """

    def __init__(
        self,
        group: Group,
        *,
        margin: float = 0.02,
        alpha: float = 0.05,
        harm: float | None = None,
        budget: int = USUAL_BUDGET,
    ) -> None:
        if not (0 < abs(margin) < 1 and 0 < alpha < 0.5 and budget >= 1):
            raise ValueError(f"needs |margin| in (0, 1), alpha in (0, 0.5), budget >= 1: {margin}, {alpha}, {budget}")
        self._margin, self._alpha = margin, alpha
        self._known = Evidence.before(group)
        self._proven: set[str] = set()
        turns = order(*(int(n) for n in group.differing))
        # (D + 1, 2): labels of each place after so many in all
        self._course = np.vstack([np.zeros(2), np.cumsum(np.eye(2)[turns], axis=0)])
        self._planned = min(budget, len(turns))
        self._together = _Looks(group, self._course, self._planned, alpha)
        self._against = self._together
        if margin > 0:
            alone = group.without_golden()
            self._against = _Looks(alone, self._course, self._planned, alpha if harm is None else harm)
        self._look()

    @property
    def proven(self) -> frozenset[str]:
        """Which of "non_inferior", "superior" and "harmful" are proven so far."""
        return frozenset(self._proven)

    @property
    def settled(self) -> bool:
        """The question is answered, one way or the other."""
        return bool(self._proven & {self._wanted, "harmful"})

    @property
    def decision(self) -> Decision:
        known = self._known
        return Decision(
            non_inferior="non_inferior" in self._proven,
            superior="superior" in self._proven,
            harmful="harmful" in self._proven,
            labels_used=int(known.labels.sum()),
            labels_needed=0 if self.settled else self._labels_needed(),
            difference=self._interval(),
            estimate=known.estimate,
            queries=round(known.queries),
            disagreements=int(known.group.differing.sum()),
            golden=known.group.golden,
        )

    def settle(self, *labels: Label) -> None:
        """One look after new labels. Raises ValueError if there are more labels than disagreements."""
        if not labels:
            return
        known = self._known.after(*labels)
        over = known.labels > known.group.differing
        if np.any(over):
            given, differing = (int(counts[over][0]) for counts in (known.labels, known.group.differing))
            raise ValueError(f"{given} labels, but only {differing} answers differ")
        self._known = known
        self._look()

    @property
    def _wanted(self) -> str:
        return "non_inferior" if self._margin > 0 else "superior"

    def _look(self) -> None:
        """Adds what this look proves; the first of what is wanted and harm stands."""
        self._together.look(self._known.labels)
        self._against.look(self._known.labels)
        known, needed = self._known, self._together.boundary
        if not known.empty and known.sign_score() >= needed:
            self._proven.add("superior")
        if self._margin > 0 and not self.settled and self._shown(self._together, known, worst=True):
            self._proven.add("non_inferior")
        against = known if self._margin < 0 else known.without_golden()
        if not self.settled and self._shown(self._against, against, worst=False):
            self._proven.add("harmful")

    def _shown(self, looks: "_Looks", known: Evidence, *, worst: bool) -> bool:
        """Whether the margin is kept (or passed), whatever the labels that are missing say."""
        side = 1 if worst else -1
        return any(side * case.score(-self._margin) >= bound for case, bound in self._cases(looks, known, worst=worst))

    def _cases(self, looks: "_Looks", known: Evidence, *, worst: bool) -> Iterator[tuple[Evidence, float]]:
        """What is known now, and the planned end if all that is still missing went one way."""
        if math.isfinite(looks.boundary):
            yield known, looks.boundary
        missing = np.maximum(self._course[self._planned] - known.labels, 0)
        if np.any(missing):
            end = known.all_alike(missing, fixed=not worst)
            yield end, looks.peek(end.labels)

    def _interval(self) -> Interval:
        """Differences that neither this look's boundary nor what is proven excludes (repeated confidence interval)."""
        known, needed = self._known, self._together.boundary
        low, high = known.difference_at(needed), known.difference_at(-needed)
        if "non_inferior" in self._proven:
            low = max(low, -self._margin)
        if "harmful" in self._proven:
            high = min(high, -self._margin)
        if "superior" in self._proven:
            low = max(low, 0.0)
        return Interval(min(low, known.estimate), max(high, known.estimate))

    def _labels_needed(self) -> int:
        """Labels until the difference seen so far is told from the one in question with power 0.8."""
        known, group = self._known, self._known.group
        null = -self._margin
        if self._margin < 0 and known.estimate >= null / 2:
            null = 0.0
        distance = abs(known.estimate - null)
        if not distance:
            return _MOST_LABELS
        share = float(group.differing.sum()) / group.queries
        per_item = known.variance(null) * group.items_worth(known.labels) if not known.empty else max(share, abs(null))
        labels, differing = int(known.labels.sum()), len(self._course) - 1

        def told(total: int) -> bool:
            """Whether a next look at `total` labels would tell them apart."""
            worth = group.items_worth(self._course[total])
            needed = self._together.peek(self._course[total]) + _POWER_SCORE
            return bool(distance * math.sqrt(worth / per_item) >= needed)

        ahead = range(labels + 1, differing + 1)
        if ahead and told(differing):
            return bisect_left(ahead, True, key=told) + 1
        end = self._together.peek(self._course[max(self._planned, labels)]) + _POWER_SCORE
        missing = per_item * (end / distance) ** 2 - group.items_worth(self._course[differing])
        beyond = math.ceil(missing * differing / group.queries)
        return min(max(beyond, 1) + differing - labels, _MOST_LABELS)


class _Looks:
    """The boundaries of the looks that are taken, by what is known at each in units of one label."""

    def __init__(self, group: Group, course: Array, planned: int, alpha: float) -> None:
        self._group, self._alpha = group, alpha
        self._differing = len(course) - 1
        self._end = max(self._known(course[planned]), 1)
        self._possible = max(self._known(course[-1]), self._end)
        self._spending = Spending(self._end, self._possible, alpha)
        self._last = 0
        self.boundary = math.inf

    def look(self, labels: Array) -> None:
        """A look that knows no more than the last one is none."""
        known = min(self._known(labels), self._possible)
        if known > self._last:
            self.boundary, self._last = self._spending.look(known), known

    def peek(self, labels: Array) -> float:
        known = min(self._known(labels), self._possible)
        return self._spending.peek(known) if known > self._last else self.boundary

    def _known(self, labels: Array) -> int:
        """In labels; without differing answers everything is known at once."""
        if not self._differing:
            return 1
        return round(self._group.items_worth(labels) * self._differing / self._group.queries)

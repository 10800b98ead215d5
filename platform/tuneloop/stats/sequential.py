"""Labels only where two versions answer differently, one at a time, until the difference is clear enough.

Where both give the same answer the paired difference is 0 whatever is right, so only disagreements need a label. They
are labelled in random order; the test may stop after every label. What is tested is the difference on all traffic: that
the queries are a sample of it is part of the uncertainty. It says nothing about either version's own accuracy.

With every disagreement labelled the statistic is Tango's score (1998); before that its variance has a part for the
share of disagreements, from all queries, and one for what they hold, from the labels. Related: Sawade et al. 2012.
"""

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Self, TypedDict

from scipy import optimize, stats

from tuneloop.stats.intervals import Interval
from tuneloop.stats.paired import null_discordance
from tuneloop.stats.spending import Spending, boundaries

USUAL_BUDGET = 100
"""Labels that a look at the gate is planned for."""

_POWER_SCORE = float(stats.norm.ppf(0.8))
_MOST_LABELS = 2000


@dataclass(frozen=True)
class Decision:
    """`difference` is candidate minus production on all queries, an interval that holds at every look together.

    At most one of `non_inferior` and `harmful` is true; neither is taken back by later labels. `labels_needed` is the
    estimated number of further labels until one of them is proven, 0 once it is.
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


class SequentialState(TypedDict):
    """A test in JSON types; a look is [fixed, broken, neither] added since the one before."""

    queries: int
    disagreements: int
    margin: float
    alpha: float
    budget: int
    looks: list[list[int]]


@dataclass(frozen=True)
class Labelled:
    """What is known: `labels` of `disagreements` among `queries`, of which some were fixed and some broken."""

    queries: int
    disagreements: int
    labels: int
    fixed: int
    broken: int

    @property
    def estimate(self) -> float:
        share = self.disagreements / self.queries
        return share * (self.fixed - self.broken) / self.labels if self.labels else 0.0

    def score(self, difference: float) -> float:
        """Standardised distance of the estimate from a hypothetical difference in (-1, 1)."""
        if not self.labels and self.disagreements:
            return 0.0
        return _standardised(self.estimate - difference, self._variance(difference))

    def _variance(self, difference: float) -> float:
        """Of the estimate, if `difference` were true."""
        discordance = self._discordance(difference)
        if self.labels == self.disagreements:
            return (discordance - difference**2) / self.queries
        share = max(self.disagreements / self.queries, discordance)
        between = difference**2 * (1 - share) / (share * self.queries)
        return between + (share * discordance - difference**2) / self.labels

    def spread(self, difference: float) -> float:
        """Variance of the estimate times the number of labels; before the first label, every disagreement counts."""
        share = self.disagreements / self.queries
        discordance = self._discordance(difference) if self.labels else max(share, abs(difference))
        return max(share, discordance) * discordance - self.estimate**2

    def _discordance(self, difference: float) -> float:
        """Likeliest share of queries on which exactly one version is right, if `difference` were true."""
        scale = self.disagreements / self.labels if self.labels else 0.0
        return null_discordance(self.queries, scale * self.fixed, scale * self.broken, difference)


class DisagreementTest:
    """Sequential test of the paired difference; `disagreements` of `queries` answers differ.

    `budget` is the number of labels after which the test is meant to have decided (all disagreements if there are
    fewer); nearly all of `alpha` is spent by then, and a twentieth is kept for labels beyond. Each of the three claims,
    non-inferior by `margin`, superior, and harmful (worse by more than `margin`), is false with at most `alpha`.
    """

    def __init__(
        self,
        queries: int,
        disagreements: int,
        *,
        margin: float = 0.02,
        alpha: float = 0.05,
        budget: int = USUAL_BUDGET,
    ) -> None:
        if not 0 <= disagreements <= queries or not queries:
            raise ValueError(f"needs 0 <= disagreements <= queries, got {disagreements} of {queries}")
        if not (0 < margin < 1 and 0 < alpha < 0.5 and budget >= 1):
            raise ValueError(f"needs margin in (0, 1), alpha in (0, 0.5), budget >= 1: {margin}, {alpha}, {budget}")
        self._margin, self._alpha, self._budget = margin, alpha, budget
        self._known = Labelled(queries, disagreements, 0, 0, 0)
        self._looks: list[tuple[int, int, int]] = []
        self._proven: set[str] = set()
        self._planned = min(budget, max(disagreements, 1))
        self._spending = Spending(self._planned, max(disagreements, 1), alpha)
        # Before the first label only what holds however all of them turn out; without disagreements there is none.
        self._boundary = math.inf if disagreements else float(stats.norm.isf(alpha))
        self._judge()

    @property
    def proven(self) -> frozenset[str]:
        """Which of "non_inferior", "superior" and "harmful" labels have proven so far."""
        return frozenset(self._proven)

    @property
    def settled(self) -> bool:
        """Non-inferiority or harm is proven."""
        return bool(self._proven & {"non_inferior", "harmful"})

    @property
    def decision(self) -> Decision:
        known = self._known
        return Decision(
            non_inferior="non_inferior" in self._proven,
            superior="superior" in self._proven,
            harmful="harmful" in self._proven,
            labels_used=known.labels,
            labels_needed=0 if self.settled else self._labels_needed(),
            difference=self._interval(),
            estimate=known.estimate,
            queries=known.queries,
            disagreements=known.disagreements,
        )

    def observe(self, fixed: int, broken: int, neither: int = 0) -> Decision:
        """Adds newly labelled disagreements: only the candidate right, only production right, both wrong.

        Raises:
            ValueError: a count is negative, or more labels than disagreements.
        """
        self.add(fixed, broken, neither)
        return self.decision

    def add(self, fixed: int, broken: int, neither: int = 0) -> None:
        """As `observe`, without working out what to report."""
        if min(fixed, broken, neither) < 0:
            raise ValueError(f"counts can't be negative: {fixed}, {broken}, {neither}")
        added = fixed + broken + neither
        if not added:
            return
        known = self._known
        if known.labels + added > known.disagreements:
            raise ValueError(f"{known.labels + added} labels, but only {known.disagreements} answers differ")
        self._looks.append((fixed, broken, neither))
        self._known = Labelled(
            known.queries, known.disagreements, known.labels + added, known.fixed + fixed, known.broken + broken
        )
        self._boundary = self._spending.look(self._known.labels)
        self._judge()

    def to_dict(self) -> SequentialState:
        return {
            "queries": self._known.queries,
            "disagreements": self._known.disagreements,
            "margin": self._margin,
            "alpha": self._alpha,
            "budget": self._budget,
            "looks": [list(look) for look in self._looks],
        }

    @classmethod
    def from_dict(cls, state: SequentialState) -> Self:
        """Replays the looks: which ones there were decides what has been proven."""
        test = cls(
            state["queries"],
            state["disagreements"],
            margin=state["margin"],
            alpha=state["alpha"],
            budget=state["budget"],
        )
        for fixed, broken, neither in state["looks"]:
            test.add(fixed, broken, neither)
        return test

    def _judge(self) -> None:
        """Adds what this look proves; the first of non-inferior and harmful stands."""
        known, needed = self._known, self._boundary
        if not self.settled:
            if any(case.score(-self._margin) >= bound for case, bound in self._cases(needed, worst=True)):
                self._proven.add("non_inferior")
            elif any(case.score(-self._margin) <= -bound for case, bound in self._cases(needed, worst=False)):
                self._proven.add("harmful")
        if known.labels and _sign_score(known.fixed, known.broken) >= needed:
            self._proven.add("superior")

    def _cases(self, needed: float, *, worst: bool) -> Iterator[tuple[Labelled, float]]:
        """What is known now, and the planned end if all that is still missing went one way."""
        known = self._known
        yield known, needed
        missing = self._planned - known.labels if known.disagreements else 0
        if missing > 0:
            fixed, broken = (0, missing) if worst else (missing, 0)
            end = Labelled(
                known.queries, known.disagreements, self._planned, known.fixed + fixed, known.broken + broken
            )
            yield end, self._spending.peek(self._planned)

    def _interval(self) -> Interval:
        """Differences that neither this look's boundary nor what is proven excludes (repeated confidence interval)."""
        known, needed = self._known, self._boundary
        low, high = -1.0, 1.0
        if known.labels or not known.disagreements:
            low, high = _difference_at(known, needed), _difference_at(known, -needed)
        if "non_inferior" in self._proven:
            low = max(low, -self._margin)
        if "harmful" in self._proven:
            high = min(high, -self._margin)
        if "superior" in self._proven:
            low = max(low, 0.0)
        return Interval(min(low, known.estimate), max(high, known.estimate))

    def _labels_needed(self) -> int:
        """Labels until the difference seen so far is told from the margin with power 0.8."""
        known = self._known
        distance = abs(known.estimate + self._margin)
        per_label = max(known.spread(-self._margin), 1e-9)
        if not distance:
            return _MOST_LABELS
        ahead = boundaries(self._planned, max(known.disagreements, 1), self._alpha)
        for total in range(known.labels + 1, known.disagreements + 1):
            if distance / math.sqrt(per_label / total) >= ahead[total - 1] + _POWER_SCORE:
                return total - known.labels
        end = ahead[self._planned - 1] + _POWER_SCORE
        total = math.ceil(per_label * (end / distance) ** 2)
        return min(max(total, known.disagreements + 1) - known.labels, _MOST_LABELS)


def _sign_score(fixed: int, broken: int) -> float:
    """Standard score of the exact one-sided sign test of fixed against broken."""
    p_value = float(stats.binom.sf(fixed - 1, fixed + broken, 0.5))
    return float(stats.norm.isf(p_value))


def _standardised(distance: float, variance: float) -> float:
    if variance <= 0:
        return 0.0 if distance == 0 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)


def _difference_at(known: Labelled, score: float) -> float:
    """The difference whose score is `score`; the end of the scale if there is none."""
    edge = -1.0 if score > 0 else 1.0
    ends = sorted((known.estimate, edge * (1 - 1e-9)))
    with suppress(ValueError):  # no change of sign between the ends
        return float(optimize.brentq(lambda difference: known.score(difference) - score, *ends, xtol=1e-9))
    return edge

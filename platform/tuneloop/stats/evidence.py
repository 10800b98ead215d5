"""What golden items and labelled differences say together about one group of categories.

Both answer the same question, how much better the candidate is on the group's traffic, so they are one sample. Its
parts are the categories: within one every golden item weighs as much as every labelled query, and each category weighs
as much as it has traffic. So the golden set is taken in the traffic's mix, and a category that it lacks is left to the
labels. No weight depends on which answers were right.

A label stands for several queries: all that both versions answer alike need none, their difference is 0. Without golden
items and with every difference labelled the statistic is Tango's score (1998). Related: Sawade et al. 2012.
"""

import math
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
import scipy
from numpy.typing import NDArray

from tuneloop.stats.paired import PairedCounts, null_discordance

Array = NDArray[np.float64]

_PRIOR_ITEMS = 4
"""Discordant items of the usual weight, by which the observed ones' is steadied."""


@dataclass(frozen=True, eq=False)
class Group:
    """Some categories, before the first label.

    Args:
        categories: those with traffic, C of them.
        mix: (C,) shares of the group's traffic, which sum to 1.
        items, fixed, broken: (C,) golden items, and those of them that only the candidate or only production got right.
        agreed: queries of the group that both versions answer alike.
        differing: (2,) queries of all groups that they answer differently: those that the labels should come from
            first (see `tuneloop.stats.queue`), and the others.
        queries: of the group, as far as is known without a label.
    """

    categories: tuple[str, ...]
    mix: Array
    items: Array
    fixed: Array
    broken: Array
    agreed: float
    differing: Array
    queries: float

    @classmethod
    def plain(cls, queries: int, disagreements: int) -> Self:
        """All traffic as one category, without golden items."""
        if not 0 <= disagreements <= queries or not queries:
            raise ValueError(f"needs 0 <= disagreements <= queries, got {disagreements} of {queries}")
        none = np.zeros(1)
        differing = np.array([disagreements, 0.0])
        return cls(("",), np.ones(1), none, none, none, queries - disagreements, differing, queries)

    @classmethod
    def of(
        cls,
        traffic: Mapping[str, float],
        golden: Mapping[str, PairedCounts],
        *,
        agreed: float,
        differing: tuple[int, int],
    ) -> Self:
        """`traffic` has the queries of each category of the group, at least one of them above 0."""
        categories = tuple(sorted(name for name, queries in traffic.items() if queries > 0))
        queries = np.array([traffic[name] for name in categories], dtype=float)
        found = [golden.get(name, PairedCounts(0, 0, 0, 0)) for name in categories]
        return cls(
            categories,
            queries / queries.sum(),
            np.array([counts.n for counts in found], dtype=float),
            np.array([counts.fixed for counts in found], dtype=float),
            np.array([counts.broken for counts in found], dtype=float),
            agreed,
            np.array(differing, dtype=float),
            float(queries.sum()),
        )

    @property
    def golden(self) -> int:
        """Golden items that count: those of categories with traffic."""
        return int(self.items.sum())

    def without_golden(self) -> Self:
        none = np.zeros(len(self.categories))
        return replace(self, items=none, fixed=none, broken=none)

    def items_worth(self, labels: Array) -> float:
        """How many plain items are as sure as the golden ones with `labels` (2,) of the differing answers."""
        return _effective(self.mix, self.items, self.seen(self.queries, labels))

    def seen(self, queries: float, labels: Array) -> float:
        """Queries of the group that are as sure as `labels` (2,) of the differing answers, if it has `queries`."""
        pairs = [(n, known) for n, known in zip(self.differing.tolist(), labels.tolist(), strict=True) if n]
        if not all(known for _, known in pairs):
            return 0.0
        if not pairs:
            return queries
        return float(queries * sum(n for n, _ in pairs) / sum(n * n / known for n, known in pairs))


class Label(NamedTuple):
    """A settled difference: its place in `Group.differing`, whether its category is in the group, and who was right."""

    place: int
    inside: bool
    category: str
    fixed: int
    broken: int


@dataclass(frozen=True, eq=False)
class Evidence:
    """A group, and what labels have shown: all counts are by place in `Group.differing`.

    `fixed` and `broken` (C + 1, 2) also by category; the last row is for categories that the group's traffic lacks.
    """

    group: Group
    labels: Array
    inside: Array
    fixed: Array
    broken: Array

    @classmethod
    def before(cls, group: Group) -> Self:
        counts = np.zeros((len(group.categories) + 1, 2))
        return cls(group, np.zeros(2), np.zeros(2), counts, counts)

    def without_golden(self) -> Self:
        return replace(self, group=self.group.without_golden())

    def after(self, *labels: Label) -> Self:
        names = {name: row for row, name in enumerate(self.group.categories)}
        known, inside, fixed, broken = (each.copy() for each in (self.labels, self.inside, self.fixed, self.broken))
        for label in labels:
            known[label.place] += 1
            if label.inside:
                row = names.get(label.category, len(names))
                inside[label.place] += 1
                fixed[row, label.place] += label.fixed
                broken[row, label.place] += label.broken
        return replace(self, labels=known, inside=inside, fixed=fixed, broken=broken)

    def all_alike(self, missing: Array, *, fixed: bool) -> Self:
        """If `missing` (2,) further labels of the group all said the same, in categories that have no golden items."""
        counts = self.fixed.copy() if fixed else self.broken.copy()
        counts[-1] += missing
        known = replace(self, labels=self.labels + missing, inside=self.inside + missing)
        return replace(known, fixed=counts) if fixed else replace(known, broken=counts)

    @property
    def empty(self) -> bool:
        """Whether nothing is known: no golden item with traffic, and too few labels."""
        return self._weights.worth <= 0

    @property
    def queries(self) -> float:
        """Of the group, by the labels so far."""
        if self._stands is None:
            return self.group.queries
        return self.group.agreed + float(np.sum(self._stands * self.inside))

    @property
    def estimate(self) -> float:
        """Candidate minus production on the group's traffic; 0 while nothing is known."""
        return float(self._sums.fixed - self._sums.broken)

    def score(self, difference: float) -> float:
        """Standardised distance of the estimate from a hypothetical difference in (-1, 1); N(0, 1) if that is true."""
        if self.empty:
            return 0.0
        distance, variance = self.estimate - difference, self.variance(difference)
        if variance <= 0:
            return 0.0 if distance == 0 else math.copysign(math.inf, distance)
        return distance / math.sqrt(variance)

    def sign_score(self) -> float:
        """Standard score of the sign test of fixed against broken; exact where all items weigh the same."""
        sums = self._sums
        if not sums.squares:
            return 0.0
        per_item = (sums.fixed + sums.broken) / sums.squares
        fixed, broken = sums.fixed * per_item, sums.broken * per_item
        return -float(scipy.special.ndtri(scipy.special.betainc(fixed, broken + 1, 0.5))) if fixed else -math.inf

    def variance(self, difference: float) -> float:
        """Of the estimate, if `difference` were true."""
        worth, by_labels = self._weights.worth, self._weights.by_labels
        sums = self._sums
        discordance = null_discordance(worth, worth * sums.fixed, worth * sums.broken, difference)
        usual = 1 / worth
        per_item = (sums.squares + _PRIOR_ITEMS * usual**2) / (sums.fixed + sums.broken + _PRIOR_ITEMS * usual)
        of_golden = (1 - by_labels) ** 2 * difference**2 / self.group.golden if self.group.golden else 0.0
        labels, differing, queries = self.labels.sum(), self.group.differing.sum(), self.queries
        if not by_labels:
            return discordance * per_item - of_golden
        if labels == differing:
            return float(discordance * per_item - of_golden - by_labels**2 * difference**2 / queries)
        share = max(differing / queries, discordance)  # a hypothesis may want more of them than there are
        more = 1 + by_labels * (share * queries / differing - 1)
        number_of_them = difference**2 * (1 - share) / (share * queries)
        of_labels = by_labels**2 * (number_of_them - difference**2 / labels)
        return float(discordance * per_item * more - of_golden + of_labels)

    def difference_at(self, score: float) -> float:
        """The difference whose score is `score`; the end of the scale if there is none."""
        edge = -1.0 if score > 0 else 1.0
        if self.empty or math.isinf(score):
            return edge
        ends = sorted((self.estimate, edge * (1 - 1e-9)))
        with suppress(ValueError):  # no change of sign between the ends
            return float(scipy.optimize.brentq(lambda difference: self.score(difference) - score, *ends, xtol=1e-9))
        return edge

    @cached_property
    def _stands(self) -> Array | None:
        """(2,) differing answers for which one label stands; None while nobody knows."""
        pairs = list(zip(self.group.differing.tolist(), self.labels.tolist(), strict=True))
        if any(n and not known for n, known in pairs):
            return None
        return np.array([n / known if n else 0.0 for n, known in pairs])

    @cached_property
    def _weights(self) -> "_Weights":
        group, stands, queries = self.group, self._stands, self.queries
        seen = group.seen(queries, self.labels)
        per_category = group.items + seen * group.mix
        golden = np.divide(group.mix, per_category, out=np.zeros_like(group.mix), where=per_category > 0)
        trust = np.append(seen * golden, 1.0)  # of the labels against the golden items, by category
        labelled = np.zeros((len(trust), 2)) if stands is None else np.outer(trust, stands) / queries
        worth = _effective(group.mix, group.items, seen)
        return _Weights(golden, labelled, worth, float(np.sum(group.mix * trust[:-1])) if seen else 0.0)

    @cached_property
    def _sums(self) -> "_Sums":
        group, weights = self.group, self._weights
        discordant, labelled = group.fixed + group.broken, self.fixed + self.broken
        return _Sums(
            float(weights.golden @ group.fixed + np.sum(weights.labelled * self.fixed)),
            float(weights.golden @ group.broken + np.sum(weights.labelled * self.broken)),
            float(weights.golden**2 @ discordant + np.sum(weights.labelled**2 * labelled)),
        )


class _Weights(NamedTuple):
    """Of one golden item (C,), one label (C + 1, 2); the plain items all are worth; how much labels count for."""

    golden: Array
    labelled: Array
    worth: float
    by_labels: float


class _Sums(NamedTuple):
    """Weights of what was fixed and what was broken, and the squares of both."""

    fixed: float
    broken: float
    squares: float


def traffic_of(agreed: Mapping[str, int], pairs: Collection[tuple[str, str]], disagreements: int) -> dict[str, float]:
    """Queries by category, as far as the answers tell: where they differ, half by each of the two answers."""
    found: dict[str, float] = {name: float(n) for name, n in agreed.items()}
    for pair in pairs:
        for name in pair:
            found[name] = found.get(name, 0.0) + disagreements / len(pairs) / 2
    return found


def _effective(mix: Array, items: Array, seen: float) -> float:
    per_category = items + seen * mix
    if per_category.min() <= 0:
        return 0.0
    return float(1 / (mix**2 / per_category).sum())

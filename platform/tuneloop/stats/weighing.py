"""Golden items and labelled differences weighed together, overall and by group of categories."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tuneloop.stats.evidence import Group, Label, traffic_of
from tuneloop.stats.gate import Disagreements, Policy
from tuneloop.stats.paired import PairedCounts
from tuneloop.stats.sequential import DisagreementTest


@dataclass(frozen=True)
class Answered:
    """What both versions answered to the same queries.

    `agreed` counts equal answers by category. `pairs` are those that differ, as (production, candidate): all of the
    `disagreements` or as many as are known; None where answers name no category.
    """

    queries: int
    disagreements: int
    agreed: Mapping[str, int]
    pairs: Sequence[tuple[str, str]] | None

    def apart_and_near(self, target: Collection[str]) -> tuple[int, int]:
        """How many differences have no answer of `target`, and how many have one."""
        if not self.pairs:
            return self.disagreements, 0
        near = round(self.disagreements * sum(is_near(pair, target) for pair in self.pairs) / len(self.pairs))
        return self.disagreements - near, near


@dataclass(frozen=True)
class Judged:
    """A settled difference. At most one of its answers is right; neither is, too, where nobody could tell.

    `category` is that of the right answer, "" if nobody could tell; `near` says whether an answer is of a target.
    """

    category: str
    production: bool
    candidate: bool
    near: bool = False


class Weighing:
    """The gate's sequential tests, label after label.

    Args:
        golden: items by category.
        target: new and fallen categories; the others are strong.
        budget: labels after which the tests are meant to have decided.

    Where answers name no category nobody knows the traffic's mix. Then labels judge alone, and only overall.
    """

    def __init__(
        self,
        answered: Answered,
        golden: Mapping[str, PairedCounts],
        *,
        target: Collection[str],
        policy: Policy,
        budget: int,
    ) -> None:
        self._target = frozenset(target)
        queries, disagreements = answered.queries, answered.disagreements
        levels = {"alpha": policy.alpha, "harm": policy.objection}
        overall, strong, aim = Group.plain(queries, disagreements), None, None
        if answered.pairs is not None:
            traffic = traffic_of(answered.agreed, answered.pairs, disagreements)
            differing = answered.apart_and_near(self._target)

            def group(names: Collection[str]) -> Group | None:
                found = {name: traffic[name] for name in names}
                agreed = sum(answered.agreed.get(name, 0) for name in names)
                return Group.of(found, golden, agreed=agreed, differing=differing) if any(found.values()) else None

            overall = group(traffic.keys()) or overall
            strong = group(traffic.keys() - self._target) if target else None
            aim = group(traffic.keys() & self._target)
        self.overall = DisagreementTest(overall, margin=policy.overall_margin, budget=budget, **levels)
        self.strong = strong and DisagreementTest(strong, margin=policy.strong_margin, budget=budget, **levels)
        self.target = aim and DisagreementTest(aim, margin=-policy.worthwhile_gain, alpha=policy.alpha, budget=budget)
        self._places = int(overall.differing[1] > 0)

    def look(self, judged: Sequence[Judged]) -> None:
        """One look after new labels."""
        for test, names in ((self.overall, None), (self.strong, False), (self.target, True)):
            if test:
                test.settle(*(self._label(each, among_target=names) for each in judged))

    def _label(self, judged: Judged, *, among_target: bool | None) -> Label:
        """What a label says about all traffic, or about the target categories or the others alone."""
        inside = among_target is None or (judged.category != "" and (judged.category in self._target) == among_target)
        return Label(
            int(judged.near) * self._places,
            inside,
            judged.category,
            int(judged.candidate and not judged.production),
            int(judged.production and not judged.candidate),
        )

    @property
    def settled(self) -> bool:
        """Whether further labels can change nothing that these tests say."""
        tests = [test for test in (self.overall, self.strong, self.target) if test]
        return all(test.settled for test in tests) or any("harmful" in test.proven for test in tests)

    @property
    def found(self) -> Disagreements:
        return Disagreements(
            self.overall.decision,
            self.strong.decision if self.strong else None,
            self.target.decision if self.target else None,
        )


def is_near(pair: tuple[str, str], target: Collection[str]) -> bool:
    return pair[0] in target or pair[1] in target

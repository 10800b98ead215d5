"""Gates of good, equal and harmful candidates, with at most 100 labels on answers that differ."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuneloop.stats.attempts import ATTEMPTS, alpha_of
from tuneloop.stats.gate import LABELS_A_LOOK, Policy, decide
from tuneloop.stats.gate_tests import CheckResult, Levels, non_inferiority
from tuneloop.stats.outcome import Outcome
from tuneloop.stats.paired import PairedCounts, tango_lower
from tuneloop.stats.power import items_to_separate
from tuneloop.stats.queue import in_order
from tuneloop.stats.simulations.finding import Aim, Finding, Unit, at_least, at_most
from tuneloop.stats.strata import Flags, stratify
from tuneloop.stats.weighing import Answered, Judged, Weighing, is_near

_SEED = 4
_BUDGET = 100
_QUERIES = 1500
_ALPHA = Policy().alpha
_FIXED, _BROKEN, _NEITHER, _ALIKE = range(4)
_NEW = "new"


@dataclass(frozen=True)
class _Group:
    """Parts of a group's answers that only the candidate, only production, neither gets right, where they differ."""

    fixed: float
    broken: float
    neither: float = 0.0

    @property
    def parts(self) -> list[float]:
        return [self.fixed, self.broken, self.neither, 1 - self.fixed - self.broken - self.neither]


@dataclass(frozen=True)
class _Truth:
    """A new category with `share` of the traffic, and strong ones of unequal size.

    `lost` is the part of the strong answers that the candidate loses to the new category. Answers that are alike count
    as right, since nothing depends on whether they are.
    """

    target: _Group
    strong: _Group
    share: float = 0.1
    strong_categories: int = 9
    lost: float = 1 / 3

    @property
    def mix(self) -> NDArray[np.float64]:
        """The strong categories by size, then the new one."""
        sizes = 1 / np.sqrt(np.arange(1, self.strong_categories + 1))
        return np.append((1 - self.share) * sizes / sizes.sum(), self.share)

    @property
    def names(self) -> list[str]:
        return [*(f"strong {number}" for number in range(self.strong_categories)), _NEW]


class _Items(NamedTuple):
    """Categories by number and what happens to them, both (n,)."""

    category: NDArray[np.int_]
    outcome: NDArray[np.int_]


class _Gate(NamedTuple):
    outcome: Outcome
    labels: int


_PLACEBO = _Truth(_Group(0.05, 0.05, 0.05), _Group(0.025, 0.025, 0.02))
_SUCCESS = _Truth(_Group(0.50, 0.03, 0.05), _Group(0.02, 0.03, 0.02))
_CALM_SUCCESS = replace(_SUCCESS, strong=_Group(0.015, 0.025, 0.01))
_IDEAL = replace(_SUCCESS, strong=_Group(0.025, 0.025, 0.02))
_HARMFUL = _Truth(_Group(0.21, 0.03, 0.05), _Group(0.01, 0.04, 0.02))
_HARMFUL_GAIN = replace(_HARMFUL, target=_SUCCESS.target)
_INTENTS = _Truth(_Group(0.80, 0.0, 0.1), _Group(0.032, 0.036, 0.045), share=0.215, strong_categories=19)


def equal_and_better() -> list[Finding]:
    """Two versions on one question, by labels of the answers that differ: is a loss of two points ruled out?"""
    found = []
    for disagreement, neither, queries, equal_aim in (
        (0.07, 0.0, 1428, at_least(0.9)),
        (0.07, 1 / 3, 1428, at_least(0.9)),
        (0.12, 1 / 3, 1500, None),
    ):
        about = f"{100 * disagreement:.0f} % of {queries} answers differ, both wrong in {100 * neither:.0f} % of these"
        for what, difference, aim in (
            ("an equal candidate is proven not worse by 2 points", 0.0, equal_aim),
            ("a candidate 2 points worse is called not worse by 2 points", -0.02, at_most(0.05)),
        ):
            proven, _ = _single(disagreement, neither, queries, difference, "non_inferior")
            found.append(Finding.share(f"{what}: {about}", proven, aim))
    for gain, aim in ((0.02, at_most(40)), (0.04, at_most(40))):
        proven, labels = _single(0.07, 0.0, 1428, gain, "non_inferior")
        about = f"a candidate {100 * gain:.0f} points better, 7 % of 1428 answers differ"
        found.append(Finding.share(f"proven not worse by 2 points: {about}", proven, at_least(0.9)))
        found.append(Finding.median(f"  labels that it took: {about}", Unit.LABELS, labels, aim))
    proven, _ = _single(0.07, 0.0, 1428, 0.02, "superior")
    found.append(Finding.share("a candidate 2 points better is proven better, 7 % of 1428 answers differ", proven))
    return found


def random_labels() -> list[Finding]:
    """The same question with labels on random items instead."""
    generator = np.random.default_rng(_SEED)
    margin, differing, difference = Policy().overall_margin, 0.07, 0.0
    draws = generator.multinomial(100, [differing / 2, differing / 2, 1 - differing], size=1500).tolist()
    proven = [tango_lower(PairedCounts(rest, fixed, broken, 0)) > -margin for fixed, broken, rest in draws]
    by_disagreement, labels = _single(differing, 0.0, 1428, difference, "non_inferior")
    power = float(np.mean(by_disagreement))
    random = items_to_separate(differing, difference, -margin, power=power)
    times = [random / used for used in labels]
    return [
        Finding.share("an equal candidate is proven not worse by 2 points: 100 random labels, 7 % differ", proven),
        Finding.median(
            f"random labels for each label on a difference, at the same power of {power:.2f}",
            Unit.LABELS,
            times,
            at_least(10),
        ),
    ]


def promotions() -> list[Finding]:
    found = []
    for what, truth, golden, aim in (
        ("placebo promoted, 280 golden items", _PLACEBO, 280, at_most(0.05)),
        ("harmful promoted (new 42 → 60 %, strong 94 → 91 %), 280 golden items", _HARMFUL, 280, at_most(0.05)),
        ("harmful promoted (new 42 → 89 %, strong 94 → 91 %), 280 golden items", _HARMFUL_GAIN, 280, at_most(0.05)),
        ("the same, 100 golden items", _HARMFUL_GAIN, 100, at_most(0.05)),
        ("the same, no golden items", _HARMFUL_GAIN, 0, at_most(0.05)),
        ("good promoted (new 42 → 89 %, strong 94 → 93 %), no golden items", _SUCCESS, 0, None),
        ("the same, 100 golden items", _SUCCESS, 100, None),
        ("the same, 240 golden items", _SUCCESS, 240, at_least(0.9)),
        ("the same, 320 golden items", _SUCCESS, 320, at_least(0.9)),
        ("the same, fewer strong answers change (4 % instead of 5 %), 280", _CALM_SUCCESS, 280, at_least(0.9)),
        ("ideal promoted (new 42 → 89 %, strong 94 → 94 %), 280", _IDEAL, 280, at_least(0.9)),
        ("24 intents (new 19 → 99 %, strong 96 → 96 %, 27 % of answers differ), 377", _INTENTS, 377, at_least(0.9)),
    ):
        found += _promoted(what, truth, golden, aim)
    found += _promoted("good promoted, 280 golden items, at most 150 labels", _SUCCESS, 280, at_least(0.9), budget=150)
    found += [
        Finding.share(f"  the usual rule on 100 items promotes: {name}", _naive(truth))
        for name, truth in (("placebo", _PLACEBO), ("harmful", _HARMFUL), ("good", _SUCCESS))
    ]
    return found


def cycles() -> list[Finding]:
    """Three attempts on the same golden items and the same traffic, none of them any better than harmful."""
    found = []
    for what, alike in (("each fails on other answers", 0.0), ("7 of 10 answers fare as at the first attempt", 0.7)):
        promoted = _cycles(_HARMFUL_GAIN, alike)
        found.append(
            Finding.share(
                f"a harmful one of three is promoted: {what}", np.any(promoted, axis=1).tolist(), at_most(_ALPHA)
            )
        )
        found += [Finding.share(f"  at attempt {number}", promoted[:, number - 1]) for number in range(1, ATTEMPTS + 1)]
    good = _promoted("good at the second attempt promoted, 280 golden items", _SUCCESS, 280, None, attempt=2)
    return [*found, *good]


def quantisation() -> list[Finding]:
    """A file that lost 3 points, flips in 8 % of answers; its golden items alone say whether it may ship."""
    generator = np.random.default_rng(_SEED)
    policy = Policy()
    levels = Levels(policy.alpha)
    blocked = []
    for fixed, broken, both_wrong, both_right in generator.multinomial(280, [0.02, 0.05, 0.01, 0.92], 400).tolist():
        counts = PairedCounts(both_right, fixed, broken, both_wrong)
        check = non_inferiority("smaller file", counts, policy.overall_margin, levels)
        blocked.append(check.finding is not CheckResult.PROVEN)
    return [
        Finding.share("a quantisation that costs 3 points is blocked, 280 golden items", blocked, at_least(0.9)),
    ]


def _promoted(
    what: str, truth: _Truth, golden: int, aim: Aim | None, *, budget: int = _BUDGET, attempt: int = 1
) -> list[Finding]:
    gates = _gates(truth, golden, budget=budget, attempt=attempt)
    promoted = [gate.outcome is Outcome.PROMOTE for gate in gates]
    found = [Finding.share(what, promoted, aim)]
    if np.mean(promoted) > 0.5:
        labels = [gate.labels for gate in gates if gate.outcome is Outcome.PROMOTE]
        found.append(Finding.median("  labels until it was promoted", Unit.LABELS, labels, at_most(budget)))
    return found


def _gates(truth: _Truth, golden: int, *, budget: int = _BUDGET, attempt: int = 1, runs: int = 400) -> list[_Gate]:
    generator = np.random.default_rng(_SEED)
    return [
        _gate(
            generator,
            truth,
            _draw(generator, truth, golden),
            _draw(generator, truth, _QUERIES),
            budget=budget,
            attempt=attempt,
        )
        for _ in range(runs)
    ]


def _cycles(truth: _Truth, alike: float, runs: int = 400) -> NDArray[np.bool_]:
    """Which attempts end promoted, (runs, ATTEMPTS); all are made, as nobody stops at a refusal."""
    generator = np.random.default_rng(_SEED)
    promoted = []
    for _ in range(runs):
        golden, queries = _draw(generator, truth, 280), _draw(generator, truth, _QUERIES)
        outcomes = []
        for attempt in range(1, ATTEMPTS + 1):
            seen = [_again(generator, truth, items, alike if attempt > 1 else 1.0) for items in (golden, queries)]
            outcomes.append(_gate(generator, truth, *seen, budget=_BUDGET, attempt=attempt).outcome)
        promoted.append([outcome is Outcome.PROMOTE for outcome in outcomes])
    return np.array(promoted)


def _gate(
    generator: np.random.Generator,
    truth: _Truth,
    golden: _Items,
    queries: _Items,
    *,
    budget: int,
    attempt: int,
) -> _Gate:
    """Looks at the golden items, then after some labels each; stops at a verdict or at the budget."""
    policy, target = Policy(alpha=alpha_of(attempt, _ALPHA)), [_NEW]
    names = np.array(truth.names, dtype=object)
    right = Flags(np.isin(golden.outcome, (_BROKEN, _ALIKE)), np.isin(golden.outcome, (_FIXED, _ALIKE)))
    strata = stratify(right, [str(name) for name in names[golden.category]], target=target)
    labels, answered = _queue(generator, truth, queries, target)
    weighing = Weighing(answered, strata.categories, target=target, policy=policy, budget=budget)
    used, most = 0, min(len(labels), budget)
    while not weighing.settled and used < most:
        weighing.look(labels[used : min(used + LABELS_A_LOOK, most)])
        used = min(used + LABELS_A_LOOK, most)
    return _Gate(decide(strata, policy, weighing.found).outcome, used)


def _queue(
    generator: np.random.Generator, truth: _Truth, queries: _Items, target: list[str]
) -> tuple[list[Judged], Answered]:
    """What both versions answer, and the labels of what differs in the order in which people are asked."""
    names, strong = truth.names, truth.strong_categories
    alike = queries.outcome == _ALIKE
    pairs, judged = [], []
    for category, outcome in zip(queries.category[~alike].tolist(), queries.outcome[~alike].tolist(), strict=True):
        wrong, other = (names[(category + step) % strong] for step in generator.integers(1, strong, 2).tolist())
        if category < strong and generator.random() < truth.lost:
            other = _NEW
        production = names[category] if outcome == _BROKEN else wrong
        candidate = names[category] if outcome == _FIXED else other
        pairs.append((production, candidate))
        judged.append(Judged(names[category], outcome == _BROKEN, outcome == _FIXED, is_near(pairs[-1], target)))
    agreed = dict(zip(names, np.bincount(queries.category[alike], minlength=len(names)).tolist(), strict=True))
    answered = Answered(len(alike), len(pairs), agreed, pairs)
    shuffled = [judged[place] for place in generator.permutation(len(judged))]
    return in_order(shuffled, [each.near for each in shuffled]), answered


def _draw(generator: np.random.Generator, truth: _Truth, n: int) -> _Items:
    category = generator.choice(len(truth.mix), size=n, p=truth.mix)
    return _Items(category, _outcomes(generator, truth, category))


def _outcomes(generator: np.random.Generator, truth: _Truth, category: NDArray[np.int_]) -> NDArray[np.int_]:
    strong, new = (generator.choice(4, size=len(category), p=group.parts) for group in (truth.strong, truth.target))
    return np.where(category == truth.strong_categories, new, strong)


def _again(generator: np.random.Generator, truth: _Truth, items: _Items, alike: float) -> _Items:
    """The same items at another attempt: a part fares as before, the others as chance has it."""
    before = generator.random(len(items.category)) < alike
    return _Items(items.category, np.where(before, items.outcome, _outcomes(generator, truth, items.category)))


def _naive(truth: _Truth, runs: int = 4000) -> list[bool]:
    """Promote if overall and new are up and strong is down by at most a point, on 90 old and 10 new items."""
    generator = np.random.default_rng(_SEED)
    (new_fixed, new_broken), (old_fixed, old_broken) = (
        generator.multinomial(n, [group.fixed, group.broken, 1 - group.fixed - group.broken], size=runs).T[:2]
        for n, group in ((10, truth.target), (90, truth.strong))
    )
    new, old = new_fixed - new_broken, old_fixed - old_broken
    return list(((new + old > 0) & (new > 0) & (old / 90 >= -0.01)).tolist())


def _single(
    disagreement: float,
    neither: float,
    queries: int,
    difference: float,
    claim: str,
    *,
    attempt: int = 1,
) -> tuple[list[bool], list[float]]:
    """Whether `claim` was proven within the budget, and the labels it took."""
    generator = np.random.default_rng(_SEED)
    lean = difference / disagreement
    chances = [(1 - neither + lean) / 2, (1 - neither - lean) / 2, neither]
    policy = Policy(alpha=alpha_of(attempt, _ALPHA))
    proven, labels = [], []
    for found in generator.binomial(queries, disagreement, 600).tolist():
        weighing = Weighing(Answered(queries, found, {}, None), {}, target=[], policy=policy, budget=_BUDGET)
        test, used, most = weighing.overall, 0, min(found, _BUDGET)
        while claim not in test.proven and "harmful" not in test.proven and used < most:
            batch = min(LABELS_A_LOOK, most - used)
            used += batch
            kinds = generator.choice(3, batch, p=chances).tolist()
            weighing.look([Judged("", production=kind == 1, candidate=kind == 0) for kind in kinds])
        proven.append(claim in test.proven)
        labels.append(float(used))
    return proven, labels

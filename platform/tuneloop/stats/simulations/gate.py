"""Gates of good, equal and harmful candidates, with at most 100 labels on answers that differ."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from tuneloop.stats.gate import Disagreements, Outcome, Policy, decide
from tuneloop.stats.paired import PairedCounts, tango_lower
from tuneloop.stats.power import items_to_separate
from tuneloop.stats.sequential import DisagreementTest
from tuneloop.stats.simulations.finding import Aim, Finding, Unit, at_least, at_most
from tuneloop.stats.strata import Strata

_SEED = 4
_BUDGET = 100
_BATCH = 10
_NOTHING = PairedCounts(0, 0, 0, 0)


@dataclass(frozen=True)
class _Group:
    """Share of the traffic, and of its answers those that only the candidate, only production, neither got right."""

    share: float
    fixed: float
    broken: float
    neither: float = 0.0


class _Truth(NamedTuple):
    """The new category and the strong ones."""

    target: _Group
    strong: _Group


class _Gate(NamedTuple):
    outcome: Outcome
    labels: int


_PLACEBO = _Truth(_Group(0.1, 0.05, 0.05, 0.05), _Group(0.9, 0.025, 0.025, 0.02))
_SUCCESS = _Truth(_Group(0.1, 0.50, 0.03, 0.05), _Group(0.9, 0.02, 0.03, 0.02))
_CALM_SUCCESS = _Truth(_Group(0.1, 0.50, 0.03, 0.05), _Group(0.9, 0.015, 0.025, 0.01))
_HARMFUL = _Truth(_Group(0.1, 0.21, 0.03, 0.05), _Group(0.9, 0.01, 0.04, 0.02))


def equal_and_better() -> list[Finding]:
    """Two versions on one question, as METHOD has it: is a loss of two points ruled out?"""
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
    draws = generator.multinomial(100, [0.035, 0.035, 0.93], size=1500).tolist()
    proven = [tango_lower(PairedCounts(rest, fixed, broken, 0)) > -0.02 for fixed, broken, rest in draws]
    by_disagreement, labels = _single(0.07, 0.0, 1428, 0.0, "non_inferior")
    power = float(np.mean(by_disagreement))
    random = items_to_separate(0.07, 0.0, -0.02, power=power)
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
    for what, truth, queries, aim in (
        ("placebo promoted, 1500 queries", _PLACEBO, 1500, at_most(0.05)),
        ("harmful promoted (new 42 → 60 %, strong 94 → 91 %), 1500 queries", _HARMFUL, 1500, at_most(0.05)),
        ("good promoted (new 42 → 89 %, strong 94 → 93 %), 800 queries", _SUCCESS, 800, None),
        ("the same, 1500 queries", _SUCCESS, 1500, at_least(0.9)),
        ("the same, 3000 queries", _SUCCESS, 3000, at_least(0.9)),
        (
            "the same, fewer strong answers change (4 % instead of 5 %), 1500 queries",
            _CALM_SUCCESS,
            1500,
            at_least(0.9),
        ),
        ("ideal promoted (new 42 → 89 %, strong 94 → 94 %), 1500 queries", _ideal(), 1500, at_least(0.9)),
    ):
        found += _promoted(what, truth, queries, aim)
    found += _promoted("good promoted, 3000 queries and at most 150 labels", _SUCCESS, 3000, at_least(0.9), budget=150)
    found += [
        Finding.share(f"  the usual rule on 100 items promotes: {name}", _naive(truth))
        for name, truth in (("placebo", _PLACEBO), ("harmful", _HARMFUL), ("good", _SUCCESS))
    ]
    return found


def quantisation() -> list[Finding]:
    """A file that lost 3 points, flips in 8 % of answers: nothing is new, so only what was kept is judged."""
    loss = _Truth(_Group(0.1, 0.02, 0.05, 0.01), _Group(0.9, 0.02, 0.05, 0.01))
    gates = _gates(loss, 1500, target=False)
    blocked = [gate.outcome is not Outcome.PROMOTE for gate in gates]
    return [
        Finding.share("a quantisation that costs 3 points is blocked, 1500 queries", blocked, at_least(0.9)),
        Finding.median("  labels that it took", Unit.LABELS, [gate.labels for gate in gates], at_most(100)),
    ]


def _ideal() -> _Truth:
    return _SUCCESS._replace(strong=replace(_SUCCESS.strong, fixed=0.025, broken=0.025))


def _promoted(what: str, truth: _Truth, queries: int, aim: Aim | None, *, budget: int = _BUDGET) -> list[Finding]:
    gates = _gates(truth, queries, budget=budget)
    promoted = [gate.outcome is Outcome.PROMOTE for gate in gates]
    found = [Finding.share(what, promoted, aim)]
    if np.mean(promoted) > 0.5:
        labels = [gate.labels for gate in gates if gate.outcome is Outcome.PROMOTE]
        found.append(Finding.median("  labels until it was promoted", Unit.LABELS, labels, at_most(budget)))
    return found


def _gates(truth: _Truth, queries: int, *, target: bool = True, budget: int = _BUDGET, runs: int = 400) -> list[_Gate]:
    generator = np.random.default_rng(_SEED)
    return [_gate(generator, truth, queries, target=target, budget=budget) for _ in range(runs)]


def _gate(generator: np.random.Generator, truth: _Truth, queries: int, *, target: bool, budget: int) -> _Gate:
    """Labels the answers that differ in random order, looks after every ten, stops at a verdict or at the budget."""
    policy = Policy()
    # columns: fixed, broken, neither; rows: target, strong
    shares = [[group.share * part for part in (group.fixed, group.broken, group.neither)] for group in truth]
    cells = np.array(shares).ravel()
    counts = generator.multinomial(queries, [*cells, 1 - cells.sum()])[:-1]
    disagreements = int(counts.sum())
    order = generator.permutation(np.repeat(np.arange(6), counts))
    margins = (policy.overall_margin, policy.strong_margin * truth.strong.share, policy.strong_margin)
    overall, strong, gain = (
        DisagreementTest(queries, disagreements, margin=margin, budget=budget) for margin in margins
    )
    used, most = 0, min(disagreements, budget)
    while used < most:
        seen = np.bincount(order[used : min(used + _BATCH, most)], minlength=6).reshape(2, 3)
        used = min(used + _BATCH, most)
        (new_fixed, new_broken, _), (old_fixed, old_broken, _) = seen.tolist()
        total = int(seen.sum())
        overall.add(new_fixed + old_fixed, new_broken + old_broken, int(seen[:, 2].sum()))
        strong.add(old_fixed, old_broken, total - old_fixed - old_broken)
        gain.add(new_fixed, new_broken, total - new_fixed - new_broken)
        harmful = "harmful" in overall.proven | strong.proven
        if harmful or (overall.settled and strong.settled and ("superior" in gain.proven or not target)):
            break
    proven = Disagreements(overall.decision, strong.decision, gain.decision if target else None)
    return _Gate(decide(Strata(_NOTHING), policy, proven).outcome, used)


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
    disagreement: float, neither: float, queries: int, difference: float, claim: str, runs: int = 600
) -> tuple[list[bool], list[float]]:
    """Whether `claim` was proven with at most 100 labels, looked at after every fifth, and the labels it took."""
    generator = np.random.default_rng(_SEED)
    lean = difference / disagreement
    chances = [(1 - neither + lean) / 2, (1 - neither - lean) / 2, neither]
    proven, labels = [], []
    for found in generator.binomial(queries, disagreement, runs).tolist():
        test = DisagreementTest(queries, found)
        used, most = 0, min(found, _BUDGET)
        while claim not in test.proven and "harmful" not in test.proven and used < most:
            batch = min(5, most - used)
            used += batch
            test.add(*(int(count) for count in generator.multinomial(batch, chances)))
        proven.append(claim in test.proven)
        labels.append(float(used))
    return proven, labels

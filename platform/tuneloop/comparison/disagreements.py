"""What labelled disagreements of production traffic prove about a candidate, overall and by group of categories."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tuneloop.registry.policy import Policy
from tuneloop.stats.gate import Disagreements
from tuneloop.stats.sequential import Decision, DisagreementTest
from tuneloop.tables import DisagreementRun

FEWEST_TARGET_ITEMS = 20
"""With as many golden items of the target categories, these decide about them: they find 42 % -> 89 % nearly always."""


@dataclass(frozen=True)
class Judged:
    """A settled disagreement. At most one of the two answers is right; neither is, too, where nobody could tell."""

    category: str
    production: bool
    candidate: bool


def weigh(
    run: DisagreementRun,
    judged: Sequence[Judged],
    *,
    target: Collection[str],
    target_items: int,
    policy: Policy,
    alpha: float,
) -> Disagreements:
    """Tests of the traffic's disagreements, labelled one after the other in random order.

    Args:
        judged: in the order in which they were settled.
        target_items: golden items of the target categories.
        alpha: what each of the tests may err.
    """
    overall = _test(run, judged, policy.overall_margin, policy, alpha)
    if not target or "" in run.agreed:
        return Disagreements(overall)
    kept = sum(n for category, n in run.agreed.items() if category not in target) / run.queries
    strong = [_within(each, each.category not in target) for each in judged]
    found = [_within(each, each.category in target) for each in judged]
    return Disagreements(
        overall,
        # Only agreed answers count as strong queries, which makes the margin smaller rather than larger.
        strong=_test(run, strong, policy.strong_margin * kept, policy, alpha) if kept else None,
        target=_test(run, found, policy.strong_margin, policy, alpha) if target_items < FEWEST_TARGET_ITEMS else None,
    )


def describe(run: DisagreementRun, judged: Sequence[Judged], found: Disagreements, policy: Policy) -> dict[str, Any]:
    """What a comparison keeps of them."""
    return {
        "queries": run.queries,
        "disagreements": run.disagreements,
        "labelled": len(judged),
        "budget": policy.label_budget,
        "fixed": sum(each.candidate for each in judged),
        "broken": sum(each.production for each in judged),
        **{name: _row(decision) for name, decision in vars(found).items() if decision is not None},
    }


def _within(judged: Judged, inside: bool) -> Judged:
    """A disagreement of another group changes nothing in this one."""
    return judged if inside else Judged(judged.category, production=False, candidate=False)


def _test(run: DisagreementRun, judged: Sequence[Judged], margin: float, policy: Policy, alpha: float) -> Decision:
    test = DisagreementTest(run.queries, run.disagreements, margin=margin, alpha=alpha, budget=policy.label_budget)
    for each in judged:
        test.add(
            int(each.candidate and not each.production),
            int(each.production and not each.candidate),
            int(each.candidate == each.production),
        )
    return test.decision


def _row(decision: Decision) -> dict[str, Any]:
    row = asdict(decision)
    row["difference"] = {
        "value": decision.estimate,
        "low": decision.difference.low,
        "high": decision.difference.high,
        "n": decision.queries,
    }
    return row

"""What golden items and labelled disagreements of production traffic prove about a candidate."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from tuneloop.registry.policy import Policy
from tuneloop.stats.gate import Disagreements
from tuneloop.stats.gate import Policy as GatePolicy
from tuneloop.stats.paired import PairedCounts
from tuneloop.stats.sequential import Decision
from tuneloop.stats.weighing import Answered, Judged, Weighing
from tuneloop.tables import DisagreementRun


@dataclass(frozen=True)
class TrafficDisagreements:
    """Disagreements on production traffic.

    Args:
        pairs: what production and candidate answered, where that differs; None where answers name no category.
        judged: those that are settled, in that order.
        looks: how many of them each earlier look of the gate knew.
    """

    run: DisagreementRun
    pairs: Sequence[tuple[str, str]] | None
    judged: Sequence[Judged]
    looks: Collection[int] = ()


def weigh(
    traffic: TrafficDisagreements,
    golden: Mapping[str, PairedCounts],
    *,
    target: Collection[str],
    policy: GatePolicy,
    budget: int,
) -> Disagreements:
    """What the looks so far and this one prove; `golden` by category."""
    run, known = traffic.run, len(traffic.judged)
    answered = Answered(run.queries, run.disagreements, run.agreed, traffic.pairs)
    weighing = Weighing(answered, golden, target=target, policy=policy, budget=budget)
    looks = sorted({0, known, *(look for look in traffic.looks if look < known)})
    for before, after in pairwise(looks):
        weighing.look(traffic.judged[before:after])
    return weighing.found


def describe(traffic: TrafficDisagreements, found: Disagreements, policy: Policy) -> dict[str, Any]:
    """What a comparison keeps of them. Each group's difference is in points of its own traffic, of which n is there."""
    return {
        "queries": traffic.run.queries,
        "disagreements": traffic.run.disagreements,
        "labelled": len(traffic.judged),
        "budget": policy.label_budget,
        "fixed": sum(each.candidate for each in traffic.judged),
        "broken": sum(each.production for each in traffic.judged),
        **{name: _row(decision) for name, decision in vars(found).items() if decision is not None},
    }


def _row(decision: Decision) -> dict[str, Any]:
    row = asdict(decision)
    row["difference"] = {
        "value": decision.estimate,
        "low": decision.difference.low,
        "high": decision.difference.high,
        "n": decision.queries,
    }
    return row

"""The promotion gate: promote, reject, or say how many labels are missing.

Every check that must hold is tested at the full alpha: promoting needs all of them (intersection-union test), so no
correction is due. A verdict without traffic is one look at the items; one with traffic may be taken after every label.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tuneloop.stats.gate_tests import (
    Check,
    CheckResult,
    Levels,
    Measure,
    category_losses,
    gain_together,
    kept_together,
    non_inferiority,
    superiority,
)
from tuneloop.stats.outcome import Outcome
from tuneloop.stats.paired import PairedCounts
from tuneloop.stats.sequential import Decision
from tuneloop.stats.strata import Strata

OVERALL = "Overall"
TARGET = "New or fallen categories"
STRONG = "Previously strong categories"

LABELS_A_LOOK = 5
"""Labels between two looks. The tests allow one after each; fewer looks are easier to follow."""

_NOTHING = PairedCounts(0, 0, 0, 0)


@dataclass(frozen=True)
class Policy:
    """Tolerances as shares (0.03 is 3 points). `worthwhile_gain` is the least gain on the target worth a release."""

    overall_margin: float = 0.02
    strong_margin: float = 0.03
    category_loss: float = 0.10
    hallucination_margin: float = 0.03
    format_margin: float = 0.03
    worthwhile_gain: float = 0.10
    alpha: float = 0.05
    power: float = 0.80

    def __post_init__(self) -> None:
        outside = [name for name, value in vars(self).items() if not 0 < value < 1]
        if outside:
            raise ValueError(f"a gate policy's values lie between 0 and 1: {', '.join(outside)}")

    @property
    def objection(self) -> float:
        """Error with which golden items, and labels, may each prove a loss by themselves where both are there."""
        return self.alpha / 2


@dataclass(frozen=True)
class Verdict:
    """`reasons` are sentences, the decisive ones first; `labels_needed` is 0 unless labels are what is missing."""

    outcome: Outcome
    reasons: tuple[str, ...]
    labels_needed: int
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Disagreements:
    """Golden items and labelled disagreements of production traffic together; each stands in for the items' own test.

    All are in points of the traffic of their own categories.
    """

    overall: Decision
    strong: Decision | None = None
    target: Decision | None = None


def decide(
    counts_by_stratum: Strata, policy: Policy | None = None, disagreement: Decision | Disagreements | None = None
) -> Verdict:
    """Judges a candidate on the items that production answered too.

    With `disagreement` that decides about what it tests; the items may still prove a loss by themselves.
    """
    policy = policy or Policy()
    levels, objecting = Levels(policy.alpha, policy.power), Levels(policy.objection, policy.power)
    strata = counts_by_stratum
    found = Disagreements(disagreement) if isinstance(disagreement, Decision) else disagreement

    def kept(name: str, counts: PairedCounts | None, margin: float, decision: Decision | None) -> Check:
        if decision is None:
            return non_inferiority(name, counts or _NOTHING, margin, levels)
        objection = non_inferiority(name, counts or _NOTHING, margin, objecting)
        return objection if objection.finding is CheckResult.HARM else kept_together(name, decision, margin, counts)

    overall = kept(OVERALL, strata.overall, policy.overall_margin, found.overall if found else None)
    apart: list[Check] = []
    if found and found.target:
        apart.append(gain_together(TARGET, found.target, policy.worthwhile_gain, strata.target))
    elif strata.target:
        apart.append(superiority(TARGET, strata.target, policy.worthwhile_gain, levels))
    if strata.strong or (found and found.strong):
        apart.append(kept(STRONG, strata.strong, policy.strong_margin, found.strong if found else None))
    checks = [overall, *apart]
    for name, counts, margin in (
        ("Hallucination", strata.hallucination, policy.hallucination_margin),
        ("Format errors", strata.format, policy.format_margin),
    ):
        if counts:
            checks.append(non_inferiority(name, counts, margin, levels, Measure.FAULTS))
    if strata.categories:
        checks.append(category_losses(strata.categories, policy.category_loss, policy.alpha))
    outcome = _outcome(checks)
    return Verdict(
        outcome=outcome,
        reasons=tuple(check.reason for check in sorted(checks, key=_urgency)),
        labels_needed=_labels_needed(checks, () if found else apart) if outcome is Outcome.NEED_MORE_LABELS else 0,
        checks=tuple(checks),
    )


def objected(counts_by_stratum: Strata, policy: Policy) -> bool:
    """Whether the items prove a loss by themselves, as they may beside labels.

    A gain that they don't show is not one: the traffic of a fallen category is not what it was when they were made.
    """
    levels = replace(policy, alpha=policy.objection)
    return decide(replace(counts_by_stratum, target=None), levels).outcome is Outcome.REJECT


def _outcome(checks: Sequence[Check]) -> Outcome:
    findings = {check.finding for check in checks}
    if CheckResult.HARM in findings:
        return Outcome.REJECT
    return Outcome.NEED_MORE_LABELS if CheckResult.OPEN in findings else Outcome.PROMOTE


def _urgency(check: Check) -> int:
    return (CheckResult.HARM, CheckResult.OPEN, CheckResult.PROVEN).index(check.finding)


def _labels_needed(checks: Sequence[Check], apart: Sequence[Check]) -> int:
    """One labelled item serves every check it falls under; only those `apart`, target and strong, share none."""
    return max(sum(check.labels_needed for check in apart), *(check.labels_needed for check in checks))

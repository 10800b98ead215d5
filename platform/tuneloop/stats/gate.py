"""The promotion gate: promote, reject, or say how many labels are missing.

Every check that must hold is tested at the full alpha: promoting needs all of them (intersection-union test), so no
correction is due. A verdict is one look at the items; looking again after more labels is another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tuneloop.stats.checks import (
    Check,
    Finding,
    Levels,
    Measure,
    category_losses,
    gain_by_disagreement,
    kept_by_disagreement,
    non_inferiority,
    superiority,
)
from tuneloop.stats.paired import PairedCounts
from tuneloop.stats.sequential import Decision
from tuneloop.stats.strata import Strata

OVERALL = "Overall"
TARGET = "New or fallen categories"
STRONG = "Previously strong categories"


class Outcome(StrEnum):
    PROMOTE = "promote"
    REJECT = "reject"
    NEED_MORE_LABELS = "need_more_labels"


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


@dataclass(frozen=True)
class Verdict:
    """`reasons` are sentences, the decisive ones first; `labels_needed` is 0 unless labels are what is missing."""

    outcome: Outcome
    reasons: tuple[str, ...]
    labels_needed: int
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class Disagreements:
    """Sequential tests on the labelled disagreements of production traffic; each may stand in for the items' own test.

    For `strong` and `target` labels of other categories were observed as `neither`, and the margin of `strong` was the
    policy's times the strong categories' share of the queries.
    """

    overall: Decision
    strong: Decision | None = None
    target: Decision | None = None


def decide(
    counts_by_stratum: Strata, policy: Policy | None = None, disagreement: Decision | Disagreements | None = None
) -> Verdict:
    """Judges a candidate on the items that production answered too.

    With `disagreement` what it tests is proven by it, on far fewer labels; the items' own test may then only object.
    """
    policy = policy or Policy()
    levels = Levels(policy.alpha, policy.power)
    strata = counts_by_stratum
    found = Disagreements(disagreement) if isinstance(disagreement, Decision) else disagreement
    overall = _kept(OVERALL, strata.overall, policy.overall_margin, levels, found.overall if found else None)
    apart: list[Check] = []
    if strata.target or (found and found.target):
        apart.append(_gained(strata.target, policy.worthwhile_gain, levels, found.target if found else None))
    if strata.strong or (found and found.strong):
        apart.append(_kept(STRONG, strata.strong, policy.strong_margin, levels, found.strong if found else None))
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
        labels_needed=_labels_needed(checks, apart) if outcome is Outcome.NEED_MORE_LABELS else 0,
        checks=tuple(checks),
    )


def _kept(name: str, counts: PairedCounts | None, margin: float, levels: Levels, decision: Decision | None) -> Check:
    """Non-inferiority by the disagreements where there are any, unless the items prove harm."""
    by_items = non_inferiority(name, counts, margin, levels) if counts else None
    if decision and not (by_items and by_items.finding is Finding.HARM):
        return kept_by_disagreement(name, decision, margin)
    return by_items or non_inferiority(name, PairedCounts(0, 0, 0, 0), margin, levels)


def _gained(counts: PairedCounts | None, worthwhile: float, levels: Levels, decision: Decision | None) -> Check:
    by_items = superiority(TARGET, counts, worthwhile, levels) if counts else None
    if decision and not (by_items and by_items.finding is Finding.HARM):
        return gain_by_disagreement(TARGET, decision)
    return by_items or superiority(TARGET, PairedCounts(0, 0, 0, 0), worthwhile, levels)


def _outcome(checks: Sequence[Check]) -> Outcome:
    findings = {check.finding for check in checks}
    if Finding.HARM in findings:
        return Outcome.REJECT
    return Outcome.NEED_MORE_LABELS if Finding.OPEN in findings else Outcome.PROMOTE


def _urgency(check: Check) -> int:
    return (Finding.HARM, Finding.OPEN, Finding.PROVEN).index(check.finding)


def _labels_needed(checks: Sequence[Check], apart: Sequence[Check]) -> int:
    """One labelled item serves every check it falls under; only those `apart`, target and strong, share none."""
    return max(sum(check.labels_needed for check in apart), *(check.labels_needed for check in checks))

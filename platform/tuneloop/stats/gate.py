"""The promotion gate: promote, reject, or say how many labels are missing.

Every check that must hold is tested at the full alpha: promoting needs all of them (intersection-union test), so no
correction is due. A verdict is one look at the items; looking again after more labels is another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tuneloop.stats.checks import Check, Finding, Levels, Measure, category_losses, non_inferiority, superiority
from tuneloop.stats.strata import Strata


class Outcome(StrEnum):
    PROMOTE = "promote"
    REJECT = "reject"
    NEED_MORE_LABELS = "need_more_labels"


@dataclass(frozen=True)
class Policy:
    """Tolerances as shares (0.03 is 3 points). `worthwhile_gain` is the least gain on the target worth a release."""

    overall_margin: float = 0.03
    strong_margin: float = 0.05
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


def decide(counts_by_stratum: Strata, policy: Policy | None = None) -> Verdict:
    """Judges a candidate on the items that production answered too."""
    policy = policy or Policy()
    levels = Levels(policy.alpha, policy.power)
    strata = counts_by_stratum
    overall = non_inferiority("Overall", strata.overall, policy.overall_margin, levels)
    apart: list[Check] = []
    if strata.target:
        apart.append(superiority("New or fallen categories", strata.target, policy.worthwhile_gain, levels))
    if strata.strong:
        apart.append(non_inferiority("Previously strong categories", strata.strong, policy.strong_margin, levels))
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

"""The single questions of the gate. Each answers proven, harmful or still open, in a sentence with its evidence."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from tuneloop.stats.intervals import Rate, describe_interval
from tuneloop.stats.paired import Alternative, PairedCounts, holm, mcnemar_mid_p, tango_lower, tango_upper
from tuneloop.stats.power import items_for_superiority, items_to_separate
from tuneloop.stats.sequential import Decision

_SMALLEST_BATCH = 10
_LARGEST_ESTIMATE = 2000
_FIRST_TARGET_ITEMS = 20  # finds 42 % -> 70 % with power 0.7 and 42 % -> 89 % with 0.96
_USUAL_DISCORDANCE = 0.08


class CheckResult(StrEnum):
    PROVEN = "proven"
    OPEN = "open"
    HARM = "harm"


class Measure(StrEnum):
    """What the rates of a table show: the share that is right, or the share with a fault."""

    ACCURACY = "accuracy"
    FAULTS = "faults"


@dataclass(frozen=True)
class Check:
    """`labels_needed` are further items of this group, 0 unless the finding is open."""

    name: str
    finding: CheckResult
    reason: str
    labels_needed: int = 0


@dataclass(frozen=True)
class Levels:
    """`alpha` of every one-sided test; `power` with which the estimates of missing labels are made."""

    alpha: float = 0.05
    power: float = 0.8


def non_inferiority(
    name: str, counts: PairedCounts, margin: float, levels: Levels, measure: Measure = Measure.ACCURACY
) -> Check:
    """Is a loss of `margin` ruled out? Tango's one-sided score bounds at 1 - alpha."""
    loss = "loss" if measure is Measure.ACCURACY else "rise"
    claim = f"a {loss} of more than {_points(margin)} points"
    evidence = _evidence(name, counts, measure)
    lower, upper = tango_lower(counts, 1 - levels.alpha), tango_upper(counts, 1 - levels.alpha)
    if lower > -margin:
        return Check(name, CheckResult.PROVEN, f"{evidence}; {claim} is ruled out ({_at_worst(lower, measure)}).")
    if upper < -margin:
        return Check(name, CheckResult.HARM, f"{evidence}; {claim} is proven ({_at_best(upper, measure)}).")
    open_question = f"{claim} is not ruled out ({_at_worst(lower, measure)})"
    return _open(name, counts, f"{evidence}; {open_question}", _missing_to_exclude_loss(counts, margin, levels))


def superiority(name: str, counts: PairedCounts, worthwhile: float, levels: Levels) -> Check:
    """Is there a gain? Mid-p McNemar for the gain; it is hopeless once a gain of `worthwhile` is ruled out."""
    evidence = _evidence(name, counts, Measure.ACCURACY)
    p_value = mcnemar_mid_p(counts, Alternative.BETTER)
    upper = tango_upper(counts, 1 - levels.alpha)
    if counts.n and p_value <= levels.alpha:
        lower = _signed(tango_lower(counts, 1 - levels.alpha))
        return Check(name, CheckResult.PROVEN, f"{evidence}; the gain is proven ({_p(p_value)}, lower bound {lower}).")
    if upper < worthwhile:
        reason = f"{evidence}; a gain of {_points(worthwhile)} points is ruled out (upper bound {_signed(upper)})."
        return Check(name, CheckResult.HARM, reason)
    missing = _missing_to_show_gain(counts, worthwhile, levels)
    return _open(name, counts, f"{evidence}; a gain is not proven ({_p(p_value)})", missing)


def kept_together(name: str, decision: Decision, margin: float, counts: PairedCounts | None) -> Check:
    """Non-inferiority by `margin` as golden items and labelled disagreements decide it; `counts` are the items."""
    evidence, claim = _together(name, decision, counts), f"a loss of more than {_points(margin)} points"
    if decision.harmful:
        return Check(name, CheckResult.HARM, f"{evidence}; {claim} is proven by the labels.")
    if decision.non_inferior:
        return Check(name, CheckResult.PROVEN, f"{evidence}; {claim} is ruled out.")
    return _undecided(name, f"{evidence}; {claim} is not ruled out", decision)


def gain_together(name: str, decision: Decision, worthwhile: float, counts: PairedCounts | None) -> Check:
    """A gain as both decide it; it is hopeless once a gain of `worthwhile` is ruled out."""
    evidence = _together(name, decision, counts)
    if decision.superior:
        return Check(name, CheckResult.PROVEN, f"{evidence}; the gain is proven.")
    if decision.harmful:
        return Check(name, CheckResult.HARM, f"{evidence}; a gain of {_points(worthwhile)} points is ruled out.")
    return _undecided(name, f"{evidence}; a gain is not proven", decision)


def category_losses(categories: Mapping[str, PairedCounts], tolerance: float, alpha: float) -> Check:
    """Did any category lose more than chance explains (mid-p McNemar, Holm) and at least `tolerance`?

    `categories` is not empty. Never open: ten small categories can't each be proven harmless, so silence passes here,
    and the strong group, which pools them, carries the proof.
    """
    title = "Single categories"
    adjusted = holm(np.array([mcnemar_mid_p(counts, Alternative.WORSE) for counts in categories.values()]))
    lost = {name: float(p) for name, p in zip(categories, adjusted, strict=True) if p <= alpha}
    if not lost:
        smallest = _p(float(adjusted.min()))
        reason = f"{title}: no loss beyond chance in any of {len(categories)} (smallest {smallest})."
        return Check(title, CheckResult.PROVEN, reason)
    beyond = {name: p for name, p in lost.items() if categories[name].difference <= -tolerance}
    listed = "; ".join(
        f"{_evidence(name, categories[name], Measure.ACCURACY)} ({_p(p)})" for name, p in (beyond or lost).items()
    )
    if beyond:
        return Check(title, CheckResult.HARM, f"Loss beyond chance of {_points(tolerance)} points or more: {listed}.")
    return Check(title, CheckResult.PROVEN, f"Loss beyond chance, but under {_points(tolerance)} points: {listed}.")


def _undecided(name: str, question: str, decision: Decision) -> Check:
    needed = max(decision.labels_needed, 1)
    more = f"about {needed} more labelled disagreements" if needed < _LARGEST_ESTIMATE else "a larger sample of queries"
    return Check(name, CheckResult.OPEN, f"{question}; {more} would tell.", needed)


def _together(name: str, decision: Decision, counts: PairedCounts | None) -> str:
    """Golden items as they are, then all evidence in points of the traffic of these categories."""
    labels = f"{decision.labels_used} labels of {decision.disagreements} differing answers"
    low, high = decision.difference
    known = f"{_signed(decision.estimate)} points ({_signed(low)} to {_signed(high)})"
    known = f"{known if low > -1 or high < 1 else 'anything is possible'} on its {decision.queries} queries"
    if decision.golden and counts:
        return f"{_evidence(name, counts, Measure.ACCURACY, 'golden item')}; with {labels}, {known}"
    return f"{name}, by {labels}: {known}"


def _open(name: str, counts: PairedCounts, question: str, needed: int) -> Check:
    about = f"about {needed} more items" if needed < _LARGEST_ESTIMATE else f"{needed} or more further items"
    reason = f"{question}; {about} would tell." if counts.n else f"{name}: not measured (n=0); {about} would tell."
    return Check(name, CheckResult.OPEN, reason, needed)


def _missing_to_exclude_loss(counts: PairedCounts, margin: float, levels: Levels) -> int:
    difference = counts.difference if counts.n else 0.0
    if difference == -margin:
        return _LARGEST_ESTIMATE
    needed = items_to_separate(_discordance(counts), difference, -margin, alpha=levels.alpha, power=levels.power)
    return _further(needed, counts)


def _missing_to_show_gain(counts: PairedCounts, worthwhile: float, levels: Levels) -> int:
    if not counts.n:
        return _FIRST_TARGET_ITEMS
    discordance, difference = _discordance(counts), counts.difference
    if difference >= worthwhile / 2:
        needed = items_for_superiority(discordance, difference, alpha=levels.alpha, power=levels.power)
    else:
        needed = items_to_separate(discordance, difference, worthwhile, alpha=levels.alpha, power=levels.power)
    return _further(needed, counts)


def _discordance(counts: PairedCounts) -> float:
    """Observed share of discordant items, moved off 0 by half an item: none seen is not none to come."""
    return (counts.fixed + counts.broken + 0.5) / (counts.n + 1) if counts.n else _USUAL_DISCORDANCE


def _further(needed: int, counts: PairedCounts) -> int:
    tens = 10 * math.ceil((needed - counts.n) / 10)
    return min(max(tens, _SMALLEST_BATCH), _LARGEST_ESTIMATE)


def _evidence(name: str, counts: PairedCounts, measure: Measure, item: str = "item") -> str:
    old, new = _shown(counts.production, measure), _shown(counts.candidate, measure)
    items = f"1 {item}" if counts.n == 1 else f"{counts.n} {item}s"
    return f"{name}: {old} → {new} on {items}, {counts.fixed} fixed, {counts.broken} broken"


def _shown(rate: Rate, measure: Measure) -> str:
    if measure is Measure.ACCURACY:
        return f"{100 * rate.value:.0f} % ({describe_interval(rate.interval)})"
    faults = Rate(rate.n - rate.correct, rate.n)
    return f"{100 * faults.value:.1f} % ({describe_interval(faults.interval, 1)})"


def _at_worst(lower: float, measure: Measure) -> str:
    return f"lower bound {_signed(lower)}" if measure is Measure.ACCURACY else f"upper bound {_signed(-lower)}"


def _at_best(upper: float, measure: Measure) -> str:
    return f"upper bound {_signed(upper)}" if measure is Measure.ACCURACY else f"lower bound {_signed(-upper)}"


def _signed(difference: float) -> str:
    return f"{100 * difference:+.1f}"


def _points(share: float) -> str:
    return f"{100 * share:.3g}"


def _p(p_value: float) -> str:
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"

"""Compare two eval runs item by item and judge the candidate."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from tuneloop.evaluation.disagreements import TrafficDisagreements, describe, weigh
from tuneloop.evaluation.golden_exposure import Renewal, note_looks, renew
from tuneloop.evaluation.schemas import ChangedItem, ComparedRow, ComparisonTable
from tuneloop.evaluation.service import NOT_RECORDED, answers_of, rate_of
from tuneloop.kit.errors import Conflict
from tuneloop.registry.contract import Task
from tuneloop.registry.policy import Policy
from tuneloop.registry.service import contract_of, is_external, manifest_of, policy_of
from tuneloop.stats.attempts import alpha_of
from tuneloop.stats.gate import Disagreements, Verdict, decide, objected
from tuneloop.stats.gate import Policy as GatePolicy
from tuneloop.stats.outcome import Outcome
from tuneloop.stats.paired import PairedCounts, compare_counts
from tuneloop.stats.strata import Flags, Strata, stratify
from tuneloop.tables import (
    AdapterVersion,
    Comparison,
    EvalAnswer,
    EvalRun,
    RegisteredModel,
    RetrainingCycle,
)


@dataclass(frozen=True)
class GoldenResults:
    """Both versions on the golden items that this cycle may use."""

    strata: Strata
    production: Sequence[EvalAnswer]
    candidate: Sequence[EvalAnswer]
    renewal: Renewal
    not_recorded: int = 0

    @property
    def notes(self) -> list[str]:
        """Sentences about which items were used."""
        if not self.not_recorded:
            return self.renewal.reasons
        left_out = (
            f"{self.not_recorded} golden {'item is' if self.not_recorded == 1 else 'items are'} left out: the service "
            "was gone before its answers were recorded."
        )
        return [*self.renewal.reasons, left_out]


def measure(
    session: Session, *, cycle: RetrainingCycle, production: EvalRun, candidate: EvalRun, target: Collection[str]
) -> GoldenResults:
    """Count what was fixed and broken.

    Raises:
        Conflict: the two runs differ in items, engine or base, so their difference would mean nothing.
    """
    _same_conditions(session, production, candidate)
    old, new = answers_of(session, production), answers_of(session, candidate)
    gone = {answer.example_id for answer in old if answer.detail == NOT_RECORDED}
    model = session.get_one(RegisteredModel, cycle.model_id)
    items = [answer.example_id for answer in old if answer.example_id not in gone]
    renewal = renew(session, cycle=cycle, items=items, share=policy_of(model).renewed_share)
    old = [answer for answer in old if answer.example_id in renewal.used]
    new = [answer for answer in new if answer.example_id in renewal.used]
    strata = stratify(
        Flags(_flags(old, "correct"), _flags(new, "correct")),
        [answer.category for answer in old],
        target=target,
        hallucinated=None if _sorts(model) else Flags(_flags(old, "hallucinated"), _flags(new, "hallucinated")),
    )
    return GoldenResults(strata, old, new, renewal, len(gone))


def _sorts(model: RegisteredModel) -> bool:
    """A classifier states nothing: an answer outside its labels is a wrong one, and counted as that."""
    return contract_of(model).task is Task.CLASSIFY


def judge(
    measured: GoldenResults,
    *,
    target: Collection[str],
    policy: Policy,
    traffic: TrafficDisagreements | None = None,
    attempt: int = 1,
) -> tuple[Verdict, Disagreements | None]:
    """The gate's verdict on golden items and, where there are any, on the labelled disagreements of traffic.

    `attempt` counts the cycle's candidates from 1; the later ones may err less (`stats.attempts`).
    """
    found, gate, golden = None, gate_policy(policy, attempt=attempt), measured.strata.categories
    if traffic is not None:
        found = weigh(traffic, golden, target=target, policy=gate, budget=policy.label_budget)
    return decide(measured.strata, gate, found), found


def golden_objects(measured: GoldenResults, *, policy: Policy, attempt: int = 1) -> bool:
    """Whether golden items prove a loss by themselves, so that traffic need not be asked. `attempt` as in `judge`."""
    return objected(measured.strata, gate_policy(policy, attempt=attempt))


def compare_runs(
    session: Session,
    *,
    cycle: RetrainingCycle,
    production: EvalRun,
    candidate: EvalRun,
    target: Collection[str],
    policy: Policy,
    traffic: TrafficDisagreements | None = None,
    look: int = 1,
    attempt: int = 1,
) -> Comparison:
    """One look of the gate: the side-by-side table and the verdict. `attempt` as in `judge`; raises as `measure`."""
    measured = measure(session, cycle=cycle, production=production, candidate=candidate, target=target)
    verdict, found = judge(measured, target=target, policy=policy, traffic=traffic, attempt=attempt)
    note_looks(session, cycle=cycle, items=measured.renewal.used)
    table = side_by_side(measured.strata, measured.production, measured.candidate, target)
    table["renewal"] = measured.renewal.row()
    if traffic is not None and found is not None:
        table["disagreements"] = describe(traffic, found, policy)
    comparison = Comparison(
        client_id=cycle.client_id,
        cycle_id=cycle.id,
        attempt=attempt,
        look=look,
        production_run_id=production.id,
        candidate_run_id=candidate.id,
        production_digest=production.digest,
        candidate_digest=candidate.digest,
        table=dict(table),
        outcome=verdict.outcome,
        reasons=[*verdict.reasons, *measured.notes],
        labels_needed=verdict.labels_needed if verdict.outcome is Outcome.NEED_MORE_LABELS else None,
    )
    session.add(comparison)
    session.flush()
    return comparison


def gate_policy(policy: Policy, *, attempt: int = 1) -> GatePolicy:
    return GatePolicy(
        overall_margin=policy.overall_margin,
        strong_margin=policy.strong_margin,
        category_loss=policy.category_margin,
        hallucination_margin=policy.hallucination_margin,
        worthwhile_gain=policy.worthwhile_gain,
        alpha=alpha_of(attempt, policy.significance),
    )


def side_by_side(
    strata: Strata, old: Sequence[EvalAnswer], new: Sequence[EvalAnswer], target: Collection[str]
) -> ComparisonTable:
    """Rows of what was measured, and the items whose answer changed between right and wrong."""
    rows = [("overall", "Overall accuracy", strata.overall)]
    if strata.target is not None:
        rows.append(("target", "New and fallen categories", strata.target))
    if strata.strong is not None:
        rows.append(("strong", "Previously strong categories", strata.strong))
    table = [_row(key, title, counts) for key, title, counts in rows if counts.n]
    if strata.hallucination is not None and strata.hallucination.n:
        table.append(_fault_row("hallucination", "Hallucination rate", strata.hallucination))
    return {
        "rows": table,
        "target": sorted(target),
        "categories": [_row(name, name, counts) for name, counts in strata.categories.items()],
        "fixed": [_item(a, b) for a, b in zip(old, new, strict=True) if b.correct and not a.correct],
        "broken": [_item(a, b) for a, b in zip(old, new, strict=True) if a.correct and not b.correct],
    }


def _row(key: str, title: str, counts: PairedCounts) -> ComparedRow:
    compared = compare_counts(counts)
    return {
        "key": key,
        "title": title,
        "n": counts.n,
        "production": rate_of(counts.production),
        "candidate": rate_of(counts.candidate),
        "difference": {
            "value": compared.difference,
            "low": compared.interval.low,
            "high": compared.interval.high,
        },
        "fixed": counts.fixed,
        "broken": counts.broken,
        "p_value": compared.p_value,
    }


def _fault_row(key: str, title: str, free: PairedCounts) -> ComparedRow:
    """A row about a fault: `free` counts the items without it, the row shows the items with it."""
    row = _row(key, title, PairedCounts(free.both_wrong, free.broken, free.fixed, free.both_right))
    return {**row, "fixed": free.fixed, "broken": free.broken}


def _item(production: EvalAnswer, candidate: EvalAnswer) -> ChangedItem:
    return {
        "example_id": str(production.example_id),
        "category": production.category,
        "expected": production.expected,
        "production": production.answer,
        "candidate": candidate.answer,
    }


def _flags(answers: Sequence[EvalAnswer], name: str) -> NDArray[np.bool_]:
    return np.array([getattr(answer, name) for answer in answers], dtype=bool)


def _same_conditions(session: Session, production: EvalRun, candidate: EvalRun) -> None:
    if production.snapshot_id != candidate.snapshot_id:
        raise Conflict("the two runs answered different examples; evaluate both versions on one snapshot")
    versions = [session.get_one(AdapterVersion, run.version_id) for run in (production, candidate)]
    if any(is_external(version) for version in versions):
        # What is asked is then whether the other's engine, base and training together lose anything.
        return
    if production.engine != candidate.engine:
        raise Conflict(
            f"the two runs used different engines ({production.engine} and {candidate.engine}); evaluate both again",
        )
    bases = [manifest_of(version).base.gguf_sha256 for version in versions]
    if bases[0] != bases[1]:
        raise Conflict("the two versions run on different base files or quantisations, so they can't be compared")

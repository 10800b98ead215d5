"""What a question about promotion stands on: rates with n and interval, overall and by category."""

from typing import Any

from sqlmodel import Session

from tuneloop.evaluation.service import describe_run, latest_run
from tuneloop.kit import figures
from tuneloop.kit.figures import RateRead
from tuneloop.registry.contract import Task
from tuneloop.registry.service import contract_of
from tuneloop.retraining.attempts import comparison_of
from tuneloop.retraining.schemas import Evidence, Measured
from tuneloop.tables import Comparison, EvalRun, RegisteredModel, RetrainingCycle

WEAKEST = 3


def evidence_of(session: Session, cycle: RetrainingCycle, attempt: int | None = None) -> Evidence | None:
    """Of the present candidate unless an earlier attempt is named; None before it is evaluated."""
    return evidence_in(session, cycle, comparison_of(session, cycle.id, attempt))


def evidence_in(session: Session, cycle: RetrainingCycle, comparison: Comparison | None) -> Evidence | None:
    """Of a candidate's latest comparison; of a first version, which has none, its evaluation."""
    if comparison is not None:
        return _compared(comparison.table)
    if cycle.candidate_version_id is None:
        return None
    run = latest_run(session, cycle.candidate_version_id, cycle.golden_snapshot_id)
    return _alone(session, run) if run is not None else None


def in_words(evidence: Evidence) -> str:
    """Two sentences that fit a mail or a reminder."""
    (overall, *_), weakest = evidence.rows, evidence.categories[:WEAKEST]
    sentence = f"Right on golden examples: {figures.rate(overall.candidate)}"
    if overall.production is not None:
        sentence += f", production {figures.rate(overall.production)}"
    if len(evidence.categories) < 2:
        return f"{sentence}."
    listed = ", ".join(f"{each.title} {figures.rate(each.candidate)}" for each in weakest)
    return f"{sentence}. Weakest of {len(evidence.categories)} categories: {listed}."


def _compared(table: dict[str, Any]) -> Evidence | None:
    rows = [Measured.model_validate(row) for row in table.get("rows", [])]
    categories = [Measured.model_validate(row) for row in table.get("categories", [])]
    return Evidence(rows=rows, categories=_weakest_first(categories), target=table.get("target", [])) if rows else None


def _alone(session: Session, run: EvalRun) -> Evidence:
    found = describe_run(run, {})
    rows = [_row("overall", "Overall accuracy", found["overall"])]
    if contract_of(session.get_one(RegisteredModel, run.model_id)).task is not Task.CLASSIFY:
        rows.append(_row("hallucination", "Hallucination rate", found["hallucination"]))
    categories = [_row(name, name, rate) for name, rate in found["categories"].items()]
    return Evidence(rows=rows, categories=_weakest_first(categories))


def _row(key: str, title: str, found: RateRead) -> Measured:
    return Measured(key=key, title=title, n=found["n"], candidate=found)


def _weakest_first(categories: list[Measured]) -> list[Measured]:
    return sorted(categories, key=lambda each: (each.candidate["value"] or 0.0, each.key))

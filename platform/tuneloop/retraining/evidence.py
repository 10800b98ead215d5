"""What a question about promotion stands on: rates with n and interval, overall and by category."""

from typing import Any

from pydantic import BaseModel
from sqlmodel import Session

from tuneloop.evaluation.service import describe_run, latest_run
from tuneloop.retraining.attempts import comparison_of
from tuneloop.tables import EvalRun, RetrainingCycle

WEAKEST = 3


class Measured(BaseModel):
    """One thing that was measured. A first version stands alone: no `production`, so no `difference` either."""

    key: str
    title: str
    n: int
    production: dict[str, Any] | None = None
    candidate: dict[str, Any]
    difference: dict[str, Any] | None = None
    fixed: int | None = None
    broken: int | None = None


class Evidence(BaseModel):
    """`rows` begins with the overall accuracy; of `categories` the one that the candidate is worst at comes first."""

    rows: list[Measured]
    categories: list[Measured]
    target: list[str] = []


def evidence_of(session: Session, cycle: RetrainingCycle, attempt: int | None = None) -> Evidence | None:
    """Of the present candidate unless an earlier attempt is named; None before it is evaluated."""
    comparison = comparison_of(session, cycle.id, attempt)
    if comparison is not None:
        return _compared(comparison.table)
    if cycle.candidate_version_id is None:
        return None
    run = latest_run(session, cycle.candidate_version_id, cycle.golden_snapshot_id)
    return _alone(run) if run is not None else None


def in_words(evidence: Evidence) -> str:
    """Two sentences that fit a mail or a reminder."""
    (overall, *_), weakest = evidence.rows, evidence.categories[:WEAKEST]
    sentence = f"Right on golden examples: {rate_in_words(overall.candidate)}"
    if overall.production is not None:
        sentence += f", production {rate_in_words(overall.production)}"
    if len(evidence.categories) < 2:
        return f"{sentence}."
    listed = ", ".join(f"{each.title} {rate_in_words(each.candidate)}" for each in weakest)
    return f"{sentence}. Weakest of {len(evidence.categories)} categories: {listed}."


def _compared(table: dict[str, Any]) -> Evidence | None:
    rows = [Measured.model_validate(row) for row in table.get("rows", [])]
    categories = [Measured.model_validate(row) for row in table.get("categories", [])]
    return Evidence(rows=rows, categories=_weakest_first(categories), target=table.get("target", [])) if rows else None


def _alone(run: EvalRun) -> Evidence:
    found = describe_run(run, {})
    rows = [
        _row("overall", "Overall accuracy", found["overall"]),
        _row("hallucination", "Hallucination rate", found["hallucination"]),
    ]
    categories = [_row(name, name, rate) for name, rate in found["categories"].items()]
    return Evidence(rows=rows, categories=_weakest_first(categories))


def _row(key: str, title: str, rate: dict[str, Any]) -> Measured:
    return Measured(key=key, title=title, n=rate["n"], candidate=rate)


def _weakest_first(categories: list[Measured]) -> list[Measured]:
    return sorted(categories, key=lambda each: (each.candidate["value"] or 0.0, each.key))


def rate_in_words(rate: dict[str, Any]) -> str:
    """ "87 % (79 to 92 %, n 100)"."""
    if not rate["n"]:
        return "not measured"
    low, high = 100 * rate["low"], 100 * rate["high"]
    return f"{100 * rate['value']:.0f} % ({low:.0f} to {high:.0f} %, n {rate['n']})"

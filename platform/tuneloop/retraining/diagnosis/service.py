"""Diagnose the candidate that a cycle has turned down, from what its attempt has measured."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlmodel import Session, col, func, select

from tuneloop.kit import figures
from tuneloop.kit.clock import now
from tuneloop.kit.figures import RateRead
from tuneloop.kit.jobs import JobRow
from tuneloop.registry.service import policy_of
from tuneloop.retraining.attempts import attempt_of, attempts_of, candidates_of, comparison_of
from tuneloop.retraining.diagnosis.data import training_data
from tuneloop.retraining.diagnosis.findings import BlendResult, ConfusedPair, Diagnosis, Failure, Loss
from tuneloop.retraining.diagnosis.losses import losses_of, pairs_of
from tuneloop.retraining.diagnosis.steps import Case, next_steps
from tuneloop.retraining.recipe import Recipe
from tuneloop.retraining.verdicts import disagreement_run
from tuneloop.stats.intervals import Rate
from tuneloop.tables import (
    AdapterVersion,
    AttemptEnd,
    Candidate,
    Comparison,
    CycleAttempt,
    CycleState,
    EvalRun,
    RegisteredModel,
    RetrainingCycle,
)


def diagnose(session: Session, cycle: RetrainingCycle, ended: AttemptEnd, *, failure: str | None = None) -> Diagnosis:
    """Of the attempt that the cycle is at."""
    attempt, comparison = attempt_of(session, cycle), comparison_of(session, cycle.id)
    model = session.get_one(RegisteredModel, cycle.model_id)
    policy, recipe = policy_of(model), Recipe.model_validate(attempt.recipe)
    table = comparison.table if comparison else {}
    losses = losses_of(comparison) if comparison else ()
    target = frozenset(table.get("target", []))
    pairs = _pairs(session, cycle, comparison, losses, target) if comparison else ()
    right = _right(session, comparison) if comparison else {}
    named = [name for pair in pairs for name in (pair.category, pair.wrong) if name]
    data = training_data(session, cycle, recipe, shown=[*named, *sorted(right)], target=target)
    everything, attempts = candidates_of(session, cycle.id), attempts_of(session, cycle.id)
    chosen = _chosen(everything, attempt)
    broke = _failure(session, cycle, failure) if failure is not None else None
    case = Case(
        ended=ended,
        recipe=recipe,
        lost=any(loss.proven for loss in losses) or _fell(table),
        short=_short(table, policy.worthwhile_gain),
        losses=losses,
        pairs=pairs,
        data=data,
        right=right,
        chosen=chosen,
        options=_options(everything, attempts),
        blended=attempt.source_id is not None,
        seconds={step: seconds for each in attempts for step, seconds in each.seconds.items()},
        seeds=frozenset(Recipe.model_validate(each.recipe).seed for each in attempts),
        **_history(session, cycle),
        most_labels=policy.review_budget,
        labels_needed=comparison.labels_needed if comparison else None,
        by_traffic=disagreement_run(session, cycle.id) is not None,
        production=_overall(table, "production"),
    )
    version = session.get(AdapterVersion, cycle.candidate_version_id) if cycle.candidate_version_id else None
    number = f"v{version.number}" if version else None
    reasons = tuple(comparison.reasons) if comparison else ()
    return Diagnosis(
        ended=ended,
        version=number,
        summary=_summary(number, ended, losses, pairs, reasons, broke),
        reasons=reasons,
        losses=losses,
        pairs=pairs,
        data=data,
        tried=tuple(_tried(each, chosen) for each in everything if each.dev),
        failure=broke,
        steps=next_steps(case),
        made_at=now(),
    )


def _pairs(
    session: Session, cycle: RetrainingCycle, comparison: Comparison, losses: Sequence[Loss], target: frozenset[str]
) -> tuple[ConfusedPair, ...]:
    """Within what was lost; if nothing was, within what the retrain was for."""
    return pairs_of(session, cycle, comparison, {loss.category for loss in losses} or target)


def _right(session: Session, comparison: Comparison) -> dict[str, Rate]:
    run = session.get_one(EvalRun, comparison.candidate_run_id)
    return {name: Rate(found["correct"], found["n"]) for name, found in run.categories.items()}


def _chosen(everything: Sequence[Candidate], attempt: CycleAttempt) -> Candidate | None:
    """What the attempt sent to the gate."""
    if attempt.source_id is not None:
        return next(each for each in everything if each.id == attempt.source_id)
    return next((each for each in everything if each.chosen and each.attempt == attempt.number), None)


def _options(everything: Sequence[Candidate], attempts: Sequence[CycleAttempt]) -> tuple[Candidate, ...]:
    spent = {attempt.source_id for attempt in attempts}
    return tuple(each for each in everything if each.parts and not each.chosen and each.id not in spent)


def _tried(candidate: Candidate, chosen: Candidate | None) -> BlendResult:
    return BlendResult(
        method=candidate.method,
        blend=candidate.blend,
        chosen=chosen is not None and candidate.id == chosen.id,
        strong=candidate.dev.get("strong"),
        target=candidate.dev.get("target"),
    )


def _fell(table: dict[str, Any]) -> bool:
    """Whether what was measured of the strong categories, or of everything, is below production."""
    rows = {row["key"]: row for row in table.get("rows", [])}
    traffic = table.get("disagreements", {})
    measured = [rows.get("strong") or rows.get("overall"), traffic.get("strong") or traffic.get("overall")]
    return any(each["difference"]["value"] < 0 for each in measured if each)


def _short(table: dict[str, Any], worthwhile: float) -> bool:
    row = next((row for row in table.get("rows", []) if row["key"] == "target"), None)
    return row is not None and row["difference"]["value"] < worthwhile


def _overall(table: dict[str, Any], side: str) -> RateRead | None:
    rate: RateRead | None = next((row[side] for row in table.get("rows", []) if row["key"] == "overall"), None)
    return rate


def _history(session: Session, cycle: RetrainingCycle) -> dict[str, int]:
    """Of the model's retrains, this one included."""
    compared = select(Comparison.cycle_id).join(RetrainingCycle, col(RetrainingCycle.id) == Comparison.cycle_id)
    ids = compared.where(RetrainingCycle.model_id == cycle.model_id).distinct()
    ended = select(func.count(col(RetrainingCycle.id))).where(col(RetrainingCycle.id).in_(ids))
    good = ended.where(col(RetrainingCycle.state).in_((CycleState.DEPLOYED, CycleState.ROLLED_BACK)))
    return {"promoted": session.exec(good).one(), "compared": session.exec(ended).one()}


def _failure(session: Session, cycle: RetrainingCycle, reason: str) -> Failure:
    job: JobRow | None = session.get(JobRow, cycle.job_id) if cycle.job_id else None
    stage = str(job.progress.get("stage", "")) if job else ""
    return Failure(step=job.name.rpartition(".")[2] if job else "", stage=stage, reason=reason)


def _summary(
    number: str | None,
    ended: AttemptEnd,
    losses: Sequence[Loss],
    pairs: Sequence[ConfusedPair],
    reasons: Sequence[str],
    failure: Failure | None,
) -> str:
    if failure is not None:
        return f"The retrain failed{f' while {failure.stage}' if failure.stage else ''}: {failure.reason}"
    name = number or "The candidate"
    word = "was turned down" if ended is AttemptEnd.REJECTED else "could be neither proven nor ruled out"
    if not losses:
        return f"{name} {word}: {reasons[0]}" if reasons else f"{name} {word}."
    worst = losses[0]
    fell = f"{worst.category} went from {figures.rate(worst.production)} to {figures.rate(worst.candidate)}"
    pair = next((each for each in pairs if each.category == worst.category and each.wrong), None)
    taken = f"; {pair.after} of {pair.n} are taken for {pair.wrong} now, {pair.before} before" if pair else ""
    return f"{name} {word}: {fell}{taken}."


def close_attempt(
    session: Session, cycle: RetrainingCycle, ended: AttemptEnd, *, failure: str | None = None
) -> Diagnosis:
    """Keep why the present attempt was turned down."""
    attempt, diagnosis = attempt_of(session, cycle), diagnose(session, cycle, ended, failure=failure)
    attempt.ended, attempt.ended_at, attempt.diagnosis = ended, now(), diagnosis.model_dump(mode="json")
    session.add(attempt)
    session.flush()
    return diagnosis


def stored_diagnosis(attempt: CycleAttempt) -> Diagnosis | None:
    return Diagnosis.model_validate(attempt.diagnosis) if attempt.diagnosis else None


def latest_diagnosis(session: Session, cycle_id: UUID) -> Diagnosis | None:
    """Of the last attempt that has one."""
    found = [stored_diagnosis(attempt) for attempt in attempts_of(session, cycle_id)]
    return next((each for each in reversed(found) if each is not None), None)

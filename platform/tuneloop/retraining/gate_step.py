"""One look of the gate: what was evaluated and labelled so far, and what it proves."""

from collections.abc import Collection
from typing import NamedTuple

from tuneloop.datasets.service import snapshot_examples
from tuneloop.evaluation.comparison import compare_runs, golden_objects, measure
from tuneloop.evaluation.disagreements import TrafficDisagreements
from tuneloop.evaluation.scoring import score
from tuneloop.evaluation.service import latest_run
from tuneloop.kit.errors import Conflict
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.contract import Contract, Task
from tuneloop.registry.service import contract_of, policy_of
from tuneloop.retraining.attempts import comparison_of
from tuneloop.retraining.targets import target_categories
from tuneloop.retraining.verdicts import disagreement_run, gate_items, labels_used, looks_of, settled_items
from tuneloop.stats.weighing import Judged, is_near
from tuneloop.tables import (
    Comparison,
    EvalRun,
    RegisteredModel,
    RetrainingCycle,
    ReviewItem,
    Snapshot,
)


class Runs(NamedTuple):
    production: EvalRun
    candidate: EvalRun


def look(session: TenantSession, cycle: RetrainingCycle) -> Comparison:
    """Judge the cycle's candidate by everything known now, and keep what came out."""
    model = session.get_one(RegisteredModel, cycle.model_id)
    runs, before = _runs(session, cycle), comparison_of(session, cycle.id)
    target = target_categories(session, cycle)
    traffic = _traffic(session, cycle, target)
    return compare_runs(
        session,
        cycle=cycle,
        production=runs.production,
        candidate=runs.candidate,
        target=target if traffic else _measured(session, cycle, target),
        policy=policy_of(model),
        traffic=traffic,
        look=before.look + 1 if before else 1,
        attempt=cycle.attempt,
    )


def golden_set_objects(session: TenantSession, cycle: RetrainingCycle) -> bool:
    """Whether the golden items prove a loss by themselves; nothing is kept of it."""
    model = session.get_one(RegisteredModel, cycle.model_id)
    runs, target = _runs(session, cycle), _measured(session, cycle, target_categories(session, cycle))
    measured = measure(session, cycle=cycle, production=runs.production, candidate=runs.candidate, target=target)
    return golden_objects(measured, policy=policy_of(model), attempt=cycle.attempt)


def _measured(session: TenantSession, cycle: RetrainingCycle, target: set[str]) -> set[str]:
    """Those of them that the golden set has."""
    golden = snapshot_examples(session, session.get_one(Snapshot, cycle.golden_snapshot_id))
    return target & {example.category for example in golden}


def _runs(session: TenantSession, cycle: RetrainingCycle) -> Runs:
    found = [
        latest_run(session, version_id, cycle.golden_snapshot_id)
        for version_id in (cycle.parent_version_id, cycle.candidate_version_id)
        if version_id is not None
    ]
    runs = [run for run in found if run is not None]
    if len(runs) != 2:
        raise Conflict("production and candidate are not both evaluated; propose the cycle again")
    return Runs(*runs)


def _traffic(session: TenantSession, cycle: RetrainingCycle, target: Collection[str]) -> TrafficDisagreements | None:
    run = disagreement_run(session, cycle.id)
    if run is None:
        return None
    contract = contract_of(session.get_one(RegisteredModel, cycle.model_id))
    pairs = None
    if contract.task is Task.CLASSIFY:
        pairs = [answers_of(item) for item in gate_items(session, cycle.id)]
    return TrafficDisagreements(
        run,
        pairs,
        [judged(item, contract, target) for item in settled_items(session, cycle.id)],
        [labels_used(each) for each in looks_of(session, cycle.id)],
    )


def answers_of(item: ReviewItem) -> tuple[str, str]:
    """Production's and the candidate's."""
    return item.answers["production"].strip(), item.answers["candidate"].strip()


def judged(item: ReviewItem, contract: Contract, target: Collection[str]) -> Judged:
    """Which of the two answers the label finds right; of a skipped item nobody can say."""
    near = contract.task is Task.CLASSIFY and is_near(answers_of(item), target)
    if item.expected is None:
        return Judged("", production=False, candidate=False, near=near)
    return Judged(
        item.category or "",
        production=score(item, item.answers["production"], contract).correct,
        candidate=score(item, item.answers["candidate"], contract).correct,
        near=near,
    )

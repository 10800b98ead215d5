"""Compare candidate and production, and ask for promotion, or turn a proven harm down."""

from collections.abc import Collection

from tuneloop.comparison.service import compare_runs
from tuneloop.datasets.service import snapshot_examples
from tuneloop.evals.service import latest_run
from tuneloop.kit.errors import Conflict
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.service import policy_of
from tuneloop.retraining.jobs import CompareCandidate
from tuneloop.retraining.service import ask_promotion, lock_cycle
from tuneloop.retraining.states import advance
from tuneloop.stats.gate import Outcome
from tuneloop.tables import AdapterVersion, Alert, CycleState, RegisteredModel, RetrainingCycle, Snapshot
from tuneloop_workers.runtime import Context, handles


@handles(CompareCandidate)
def compare_candidate(context: Context, job: CompareCandidate) -> None:
    with context.unit() as session:
        cycle = lock_cycle(session, job.cycle_id)
        if cycle.state is not CycleState.COMPARED:
            return
        model = session.get_one(RegisteredModel, cycle.model_id)
        candidate = session.get_one(AdapterVersion, cycle.candidate_version_id)
        outcome: str | None = None
        if cycle.parent_version_id is not None:
            old, new = latest_run(session, cycle.parent_version_id), latest_run(session, candidate.id)
            if old is None or new is None:
                raise Conflict("production and candidate are not both evaluated; propose the cycle again")
            comparison = compare_runs(
                session,
                cycle=cycle,
                production=old,
                candidate=new,
                target=target_categories(session, cycle),
                policy=policy_of(model),
            )
            outcome = comparison.outcome
        if outcome == Outcome.REJECT:
            advance(session, cycle, CycleState.REJECTED, principal=context.principal, outcome=outcome)
            return
        advance(session, cycle, CycleState.AWAITING_PROMOTION, principal=context.principal, outcome=outcome)
        ask_promotion(session, cycle, model, digest=candidate.digest)


def target_categories(session: TenantSession, cycle: RetrainingCycle) -> Collection[str]:
    """What the retrain is for: categories its parent was not trained on, and those that the alert names as fallen."""
    parent = session.get_one(AdapterVersion, cycle.parent_version_id)
    before = snapshot_examples(session, session.get_one(Snapshot, parent.snapshot_id))
    after = snapshot_examples(session, session.get_one(Snapshot, cycle.training_snapshot_id))
    golden = snapshot_examples(session, session.get_one(Snapshot, cycle.golden_snapshot_id))
    new = {example.category for example in after} - {example.category for example in before}
    alert = session.get(Alert, cycle.alert_id) if cycle.alert_id else None
    fallen = set(alert.evidence["fallen"]) if alert else set()
    return (new | fallen) & {example.category for example in golden}

"""A retrain after an alert whose candidates the gate turned down, each by the real comparison and its consequences."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from tests.support.factories import owner_of
from tests.support.showcase_models import LABELS, digest_of
from tests.support.showcase_traffic import Maker
from tuneloop.audit.service import record
from tuneloop.evaluation.comparison import compare_runs
from tuneloop.evaluation.service import ItemResult, rate_of, record_run
from tuneloop.kit.clock import now
from tuneloop.kit.principal import Principal
from tuneloop.registry.policy import Policy
from tuneloop.registry.service import point
from tuneloop.retraining.approvals import ask
from tuneloop.retraining.attempts import attempt_of, note_seconds
from tuneloop.retraining.jobs import TrainCandidate
from tuneloop.retraining.rejudge import conclude
from tuneloop.retraining.service import approve_retrain
from tuneloop.retraining.states import advance
from tuneloop.stats.intervals import Rate
from tuneloop.tables import (
    AdapterVersion,
    Agency,
    Alert,
    AlertKind,
    AlertLevel,
    Alias,
    ApprovalKind,
    Candidate,
    Client,
    CycleState,
    DataFinding,
    EvalRun,
    Example,
    FindingKind,
    JobRow,
    JobState,
    MonitorStatus,
    Pool,
    Prediction,
    RegisteredModel,
    RetrainingCycle,
    Snapshot,
    SnapshotItem,
    Source,
)

NEW, LOST, TAKEN_FOR = "warranty", "returns", "order status"
TRAINED = {"order status": 80, "refund": 70, "repair": 60, "returns": 24, "warranty": 40}
PARCELS = ("shirt", "lamp", "kettle", "jacket", "chair", "radio", "bottle")
TEXTS = {
    "order status": "When does the {} with number {} arrive?",
    "refund": "Please pay back the {} euros for the {} that I cancelled",
    "repair": "The {} from order {} broke, can you mend it?",
    "returns": "I ordered the wrong {} ({}), how do I change or send it back?",
    "warranty": "Is my {} of {} months still covered?",
}
RIGHT = dict.fromkeys(LABELS, 1.0) | {"refund": 0.9, "repair": 0.93}


class TurnedDown(NamedTuple):
    model: RegisteredModel
    alert_id: UUID
    cycle_id: UUID


def make_turned_down(maker: Maker, agency: Agency, client: Client, *, attempts: int = 3) -> TurnedDown:
    """After so many attempts; with fewer than three the next one trains."""
    session, at = maker.session, now()
    model = maker.model(client, "support")
    golden, examples = maker.golden(model, 150)
    before = _trained(maker, model, {name: n for name, n in TRAINED.items() if name != NEW}, "old", [])
    after = _trained(maker, model, {NEW: TRAINED[NEW]}, "new", before.examples)
    production = maker.version(model, "1.0", before.snapshot, None, at - timedelta(weeks=6))
    run = _evaluate(maker, production, golden, examples, RIGHT | {NEW: 0.0, LOST: 0.8}, {NEW: "repair"})
    point(session, model, Alias.PRODUCTION, production.id)
    monitor = maker.monitor(production, run, MonitorStatus.ALERT, at - timedelta(days=2))
    maker.traffic(production, 200, sure=0.8)
    _asked_lately(maker, production)
    alert = Alert(
        client_id=model.client_id,
        model_id=model.id,
        monitor_id=monitor.id,
        kind=AlertKind.ACCURACY,
        level=AlertLevel.ALERT,
        summary="Accuracy on sampled traffic fell from 89 % (82-93 %, n=150) to 74 % (61-84 %, n=50): warranty.",
        opened_at=at - timedelta(days=2),
        evidence={"baseline": rate_of(Rate(133, 150)), "current": rate_of(Rate(37, 50)), "fallen": [NEW]},
    )
    session.add(alert)
    session.flush()
    cycle = maker.cycle(model, CycleState.PROPOSED, after.snapshot, golden, parent=production, alert=alert)
    who, digest = owner_of(agency), digest_of("plan", cycle.id)
    record(session, who, "cycle.proposed", "cycle", cycle.id, client_id=model.client_id)
    ask(session, cycle, ApprovalKind.RETRAIN, digest=digest, valid_for=timedelta(hours=72), asked_by=who)
    approve_retrain(session, principal=who, cycle_id=cycle.id, digest=digest)
    worker = Principal.system(agency.id, "worker")
    advance(session, cycle, CycleState.TRAINING, principal=worker)
    _candidates(maker, cycle)
    found = ({LOST: 0.37, NEW: 0.6}, {LOST: 0.47, NEW: 0.5}, {LOST: 0.43, NEW: 0.57})
    for number, shares in enumerate(found[:attempts], 1):
        _compare(maker, cycle, golden, examples, run, f"1.{number}", RIGHT | shares, worker)
    return TurnedDown(model, alert.id, cycle.id)


class _Data(NamedTuple):
    snapshot: Snapshot
    examples: list[Example]


def _trained(maker: Maker, model: RegisteredModel, sizes: Mapping[str, int], name: str, known: list[Example]) -> _Data:
    session = maker.session
    fresh = [
        Example(
            client_id=model.client_id,
            model_id=model.id,
            pool=Pool.TRAINING,
            messages=[{"role": "user", "content": TEXTS[label].format(PARCELS[place % len(PARCELS)], place)}],
            expected=label,
            category=label,
            source=Source.IMPORT,
            content_hash=digest_of(model.id, name, label, place),
            minhash=b"",
            checked_at=now(),
        )
        for label, n in sizes.items()
        for place in range(n)
    ]
    session.add_all(fresh)
    examples = [*known, *fresh]
    snapshot = maker.snapshot(model, Pool.TRAINING, len(examples))
    session.flush()
    session.add_all(
        SnapshotItem(client_id=model.client_id, snapshot_id=snapshot.id, example_id=example.id, position=place)
        for place, example in enumerate(examples)
    )
    doubtful = [example for example in fresh if example.category == LOST][:4]
    for place, example in enumerate(doubtful):
        kind = FindingKind.CONFLICT if place % 2 else FindingKind.SUSPECTED_ERROR
        summary = "Nearly the same text has another label."
        session.add(
            DataFinding(client_id=model.client_id, model_id=model.id, example_id=example.id, kind=kind, summary=summary)
        )
    session.flush()
    return _Data(snapshot, examples)


def _asked_lately(maker: Maker, version: AdapterVersion) -> None:
    for place in range(60):
        text = TEXTS[LOST].format(PARCELS[place % len(PARCELS)], 100 + place)
        maker.session.add(
            Prediction(
                client_id=version.client_id,
                model_id=version.model_id,
                version_id=version.id,
                digest=version.digest,
                at=now() - timedelta(hours=place),
                messages=[{"role": "user", "content": text}],
                answer=LOST if place % 3 else TAKEN_FOR,
                confidence=0.5 + place / 200,
            )
        )


def _evaluate(
    maker: Maker,
    version: AdapterVersion,
    golden: Snapshot,
    examples: Sequence[Example],
    right: Mapping[str, float],
    taken_for: Mapping[str, str],
) -> EvalRun:
    """Of each category the first share is right; the others are taken for what is named, else for refunds."""
    seen = dict.fromkeys(LABELS, 0)
    results = []
    for example in examples:
        seen[example.category] += 1
        correct = seen[example.category] <= round(30 * right[example.category])
        answer = example.expected if correct else taken_for.get(example.category, "refund")
        if answer == example.expected and not correct:
            answer = "repair"
        results.append(
            ItemResult(
                example_id=example.id,
                category=example.category,
                expected=example.expected,
                answer=answer,
                correct=correct,
                score=float(correct),
                hallucinated=False,
                detail="",
                confidence=0.8,
                margin=None,
                cache_key=f"{version.id}{example.id}",
            )
        )
    return record_run(maker.session, version=version, snapshot=golden, results=results, reused=0, seconds=40.0)


def _candidates(maker: Maker, cycle: RetrainingCycle) -> None:
    def stratum(correct: int, n: int, production: int) -> dict[str, Any]:
        before = {"n": n, "correct": production, "score": production / n}
        return {"n": n, "correct": correct, "score": correct / n, "production": before}

    for blend, strong, target, chosen in ((0.7, 41, 7, True), (0.5, 42, 5, False), (0.3, 42, 2, False)):
        parts = [{"peft_sha256": digest_of(blend, 1), "gguf_sha256": digest_of(blend, 2), "scale": blend}]
        dev = {"strong": stratum(strong, 45, 41), "target": stratum(target, 9, 0)}
        row = Candidate(
            client_id=cycle.client_id,
            cycle_id=cycle.id,
            method="continue",
            blend=blend,
            dev=dev,
            parts=parts,
            chosen=chosen,
        )
        maker.session.add(row)
    note_seconds(maker.session, cycle, train=310.0)


def _compare(
    maker: Maker,
    cycle: RetrainingCycle,
    golden: Snapshot,
    examples: Sequence[Example],
    production: EvalRun,
    number: str,
    right: Mapping[str, float],
    worker: Principal,
) -> None:
    """What the workers do from a trained adapter to the gate's verdict."""
    session = maker.session
    model = session.get_one(RegisteredModel, cycle.model_id)
    training = session.get_one(Snapshot, cycle.training_snapshot_id)
    version = maker.version(model, number, training, session.get_one(AdapterVersion, cycle.parent_version_id), now())
    cycle.candidate_version_id = attempt_of(session, cycle).candidate_version_id = version.id
    point(session, model, Alias.CANDIDATE, version.id)
    run = _evaluate(maker, version, golden, examples, right, {LOST: TAKEN_FOR, NEW: "repair"})
    note_seconds(session, cycle, release=9.0, evaluate=42.0)
    advance(session, cycle, CycleState.EVALUATING, principal=worker, attempt=cycle.attempt)
    advance(session, cycle, CycleState.COMPARED, principal=worker, attempt=cycle.attempt)
    comparison = compare_runs(
        session,
        cycle=cycle,
        production=production,
        candidate=run,
        target=[NEW],
        policy=Policy(),
        attempt=cycle.attempt,
    )
    conclude(session, cycle, comparison, principal=worker)
    job = session.get_one(JobRow, cycle.job_id)
    if cycle.state is CycleState.TRAINING and job.name == TrainCandidate.name:
        job.state, job.started_at, job.lease_until = JobState.RUNNING, now(), now() + timedelta(hours=1)
        job.progress = {"stage": "training (continue, 1 of 2)", "step": 30, "steps": 120}

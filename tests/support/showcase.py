"""An agency in the middle of its work: four clients, months of readings, an alert, cycles at every stage."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from sqlmodel import Session

from tests.support.factories import make_base, owner_of
from tests.support.world import make_version, manifest
from tuneloop.audit.service import record
from tuneloop.comparison.service import compare_runs
from tuneloop.deployment.ab_figures import ArmCounts, Judged, figures
from tuneloop.deployment.ab_tests import begin, start, tests_of
from tuneloop.evals.service import ItemResult, rate_of, record_run
from tuneloop.identity.principal import Principal
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import JobRow, JobState
from tuneloop.registry.contract import Contract, Task
from tuneloop.registry.policy import Policy
from tuneloop.registry.service import point
from tuneloop.retraining.approvals import ask
from tuneloop.retraining.recipe import Recipe
from tuneloop.stats.charts import DriftChart
from tuneloop.stats.intervals import Rate
from tuneloop.tables import (
    AdapterVersion,
    Agency,
    Alert,
    AlertChange,
    AlertEvent,
    AlertKind,
    AlertLevel,
    Alias,
    ApprovalKind,
    BaseModel,
    Candidate,
    Client,
    CycleState,
    DisagreementRun,
    Domain,
    EvalRun,
    Example,
    Monitor,
    MonitorStatus,
    Plan,
    Pool,
    Prediction,
    Reading,
    RegisteredModel,
    RetrainingCycle,
    ReviewItem,
    ReviewPurpose,
    ReviewState,
    Schedule,
    ScheduledTask,
    Snapshot,
    SnapshotItem,
    Source,
    Trigger,
)

LABELS = ("order status", "refund", "repair", "returns", "warranty")
QUESTIONS = {
    "order status": "Where is my parcel? It should have been here on Friday.",
    "refund": "I cancelled last week and still have no money back.",
    "repair": "The zip of my jacket came off after two washes.",
    "returns": "How do I send back one of the two shirts?",
    "warranty": "Is a torn seam covered after eighteen months?",
}
CONTRACT = Contract(task=Task.CLASSIFY, system_prompt="Sort the message.", labels=LABELS)
WEEKS = 14
LOSSES = [[step, round(0.55 + 1.9 / (1 + step / 6), 3)] for step in range(1, 41)]
SENSITIVITY: dict[str, Any] = {
    "labels_per_week": 50,
    "smallest_drop": 0.1,
    "weeks": 8,
    "probability": 0.9,
    "more": [[75, 0.08], [100, 0.07], [150, 0.06], [200, 0.05]],
}


class Showcase(NamedTuple):
    """`northwind` has an open alert and a candidate that waits for promotion; the others wait, train or rest."""

    northwind: RegisteredModel
    alert_id: UUID
    promotion_id: UUID
    retrain_id: UUID
    training_id: UUID
    first_training_id: UUID
    warning_id: UUID


class _Maker:
    def __init__(self, session: Session, base: BaseModel, seed: int) -> None:
        self.session = session
        self.base = base
        self.random = np.random.default_rng(seed)

    def client(self, slug: str, name: str, domain: Domain, plan: Plan) -> Client:
        contacts = [{"name": "Robin Ellis", "email": f"robin@{slug}.example"}]
        client = Client(slug=slug, name=name, domain=domain, plan=plan, contacts=contacts)
        self.session.add(client)
        self.session.flush()
        return client

    def model(self, client: Client, slug: str, contract: Contract = CONTRACT) -> RegisteredModel:
        model = RegisteredModel(
            client_id=client.id, slug=slug, base_id=self.base.id, contract=contract.model_dump(mode="json")
        )
        self.session.add(model)
        self.session.flush()
        return model

    def golden(self, model: RegisteredModel, size: int) -> tuple[Snapshot, list[Example]]:
        examples = [
            Example(
                client_id=model.client_id,
                model_id=model.id,
                pool=Pool.GOLDEN,
                messages=[{"role": "user", "content": f"{QUESTIONS[label]} (case {place})"}],
                expected=label,
                category=label,
                source=Source.IMPORT,
                content_hash=_digest(model.id, place),
                minhash=b"",
            )
            for place, label in enumerate(LABELS[each % len(LABELS)] for each in range(size))
        ]
        snapshot = self.snapshot(model, Pool.GOLDEN, size)
        self.session.add_all(examples)
        self.session.flush()
        self.session.add_all(
            SnapshotItem(client_id=model.client_id, snapshot_id=snapshot.id, example_id=example.id, position=place)
            for place, example in enumerate(examples)
        )
        return snapshot, examples

    def snapshot(self, model: RegisteredModel, pool: Pool, size: int) -> Snapshot:
        snapshot = Snapshot(
            client_id=model.client_id,
            model_id=model.id,
            pool=pool,
            digest=_digest(model.id, pool, size),
            size=size,
            categories={},
        )
        self.session.add(snapshot)
        self.session.flush()
        return snapshot

    def version(
        self, model: RegisteredModel, number: str, trained: Snapshot, parent: AdapterVersion | None, at: datetime
    ) -> AdapterVersion:
        built = manifest(self.base, CONTRACT, adapter=_digest(model.id, "adapter", number))
        version = make_version(model, built, number, trained)
        version.parent_id, version.created_at = parent.id if parent else None, at
        self.session.add(version)
        self.session.flush()
        return version

    def evaluate(
        self, version: AdapterVersion, golden: Snapshot, examples: Sequence[Example], right: Sequence[bool]
    ) -> EvalRun:
        results = [
            ItemResult(
                example_id=example.id,
                category=example.category,
                expected=example.expected,
                answer=example.expected if correct else LABELS[(LABELS.index(example.expected) + 1) % len(LABELS)],
                correct=correct,
                score=float(correct),
                hallucinated=False,
                detail="",
                confidence=float(self.random.beta(9, 1.2) if correct else self.random.beta(3, 2)),
                margin=None,
                cache_key=f"{version.id}{example.id}",
            )
            for example, correct in zip(examples, right, strict=True)
        ]
        return record_run(self.session, version=version, snapshot=golden, results=results, reused=0, seconds=42.0)

    def monitor(self, version: AdapterVersion, run: EvalRun, status: MonitorStatus, since: datetime) -> Monitor:
        monitor = Monitor(
            client_id=version.client_id,
            model_id=version.model_id,
            version_id=version.id,
            baseline_run_id=run.id,
            status=status,
            status_since=since,
            charts={"labels": DriftChart((run.correct, run.n)).to_dict(), "sensitivity": SENSITIVITY},
            noise={"flips": 1, "n": run.n},
            read_until=now(),
        )
        self.session.add(monitor)
        self.session.flush()
        return monitor

    def readings(self, monitor: Monitor, levels: Sequence[float], *, labels: int, until: datetime) -> None:
        """One reading a week of every stream; the chart decides where the alarm is."""
        chart = DriftChart.from_dict(monitor.charts["labels"])
        for place, level in enumerate(levels):
            at = until - timedelta(weeks=len(levels) - 1 - place)
            share = labels // len(LABELS)
            hit = [
                int(
                    self.random.binomial(
                        share, max(0.05, level - (0.35 if label == "warranty" and level < 0.84 else 0))
                    )
                )
                for label in LABELS
            ]
            correct, n = sum(hit), share * len(LABELS)
            seen = chart.observe(correct, n)
            answers = int(self.random.integers(900, 1400))
            reported = int(self.random.binomial(answers, 0.004 + 0.1 * max(0.0, 0.88 - level)))
            estimate = Rate(round(answers * (level + 0.02)), answers)
            self._add(
                monitor,
                at,
                "labels",
                n,
                correct / n,
                {
                    "accuracy": rate_of(Rate(correct, n)),
                    "categories": {label: rate_of(Rate(k, share)) for label, k in zip(LABELS, hit, strict=True)},
                    "category_alarms": ["warranty"] if seen.alarm else [],
                },
                statistic=seen.statistic,
                threshold=seen.threshold,
                alarm=seen.alarm,
            )
            check = {"error": 0.031, "low": -0.02, "high": 0.08, "n": n}
            self._add(monitor, at, "label_free", answers, level + 0.02, {"estimate": rate_of(estimate), "check": check})
            if place == len(levels) - 1 and level < 0.84:
                self.cluster(monitor, at)
            self._add(
                monitor, at, "reports", answers, reported / answers, {"reported": rate_of(Rate(reported, answers))}
            )

    def cluster(self, monitor: Monitor, at: datetime) -> None:
        """A kind of question that came up lately."""
        seen = [
            Prediction(
                client_id=monitor.client_id,
                model_id=monitor.model_id,
                version_id=monitor.version_id,
                digest="5" * 64,
                at=at,
                messages=[{"role": "user", "content": text}],
                answer="returns",
                confidence=0.41,
            )
            for text in ("Do you mend jackets with the new repair voucher?", "My repair voucher code is not accepted.")
        ]
        self.session.add_all(seen)
        self.session.flush()
        group = {
            "name": "repair voucher",
            "size": 31,
            "mean_confidence": 0.44,
            "p_value": 0.0004,
            "predictions": [str(row.id) for row in seen],
        }
        self._add(monitor, at, "clusters", 640, 31 / 640, {"clusters": [group]})

    def _add(
        self, monitor: Monitor, at: datetime, stream: str, n: int, value: float, detail: dict[str, Any], **rest: Any
    ) -> None:
        self.session.add(
            Reading(
                client_id=monitor.client_id,
                model_id=monitor.model_id,
                monitor_id=monitor.id,
                at=at,
                stream=stream,
                n=n,
                value=value,
                detail=detail,
                **rest,
            )
        )

    def traffic(self, version: AdapterVersion, answers: int, *, sure: float) -> None:
        for place in range(answers):
            label = LABELS[place % len(LABELS)]
            self.session.add(
                Prediction(
                    client_id=version.client_id,
                    model_id=version.model_id,
                    version_id=version.id,
                    digest=version.digest,
                    at=now() - timedelta(minutes=7 * place + 5),
                    messages=[{"role": "user", "content": QUESTIONS[label]}],
                    answer=label,
                    confidence=float(self.random.beta(9 * sure, 1.5)),
                )
            )

    def traffic_compared(self, cycle: RetrainingCycle, production: AdapterVersion, candidate: AdapterVersion) -> None:
        """84 of 1,200 answers differ; ten of them are labelled."""
        run = DisagreementRun(
            client_id=cycle.client_id,
            cycle_id=cycle.id,
            production_digest=production.digest,
            candidate_digest=candidate.digest,
            queries=1200,
            disagreements=84,
            agreed=dict.fromkeys(LABELS, 223),
        )
        self.session.add(run)
        for place in range(84):
            label = LABELS[place % len(LABELS)]
            other = LABELS[(place + 1) % len(LABELS)]
            done = place < 10
            self.session.add(
                ReviewItem(
                    client_id=cycle.client_id,
                    model_id=cycle.model_id,
                    cycle_id=cycle.id,
                    purpose=ReviewPurpose.GATE,
                    reason="production and candidate answer this differently",
                    state=ReviewState.DONE if done else ReviewState.OPEN,
                    messages=[{"role": "user", "content": QUESTIONS[label]}],
                    answers={"production": other, "candidate": label},
                    expected=(label if place % 4 else other) if done else None,
                    closed_at=now() if done else None,
                )
            )

    def schedules(self, model: RegisteredModel) -> None:
        for task, days, due in (
            (ScheduledTask.READING, 7, 3),
            (ScheduledTask.CANARY, 7, 5),
            (ScheduledTask.RETRAIN, 14, 9),
        ):
            self.session.add(
                Schedule(
                    client_id=model.client_id,
                    model_id=model.id,
                    task=task,
                    every_days=days,
                    next_at=now() + timedelta(days=due),
                )
            )

    def cycle(
        self,
        model: RegisteredModel,
        state: CycleState,
        training: Snapshot,
        golden: Snapshot,
        *,
        parent: AdapterVersion | None = None,
        candidate: AdapterVersion | None = None,
        alert: Alert | None = None,
    ) -> RetrainingCycle:
        cycle = RetrainingCycle(
            client_id=model.client_id,
            model_id=model.id,
            state=state,
            trigger=Trigger.ALERT if alert else Trigger.SCHEDULE,
            alert_id=alert.id if alert else None,
            parent_version_id=parent.id if parent else None,
            candidate_version_id=candidate.id if candidate else None,
            training_snapshot_id=training.id,
            golden_snapshot_id=golden.id,
            recipe=Recipe().model_dump(mode="json"),
            created_at=now() - timedelta(hours=5),
        )
        self.session.add(cycle)
        self.session.flush()
        return cycle


def make_showcase(database: Database, agency: Agency, *, seed: int = 7) -> Showcase:
    base = make_base(database, f"tiny-{new_id()}")
    with database.unit(agency.id) as session:
        maker = _Maker(session, base, seed)
        northwind, alert_id, promotion_id = _northwind(maker, agency)
        retrain_id, warning_id = _bluebird(maker, agency)
        training_id = _harbor(maker, agency)
        first_training_id = _corner(maker, agency)
    return Showcase(northwind, alert_id, promotion_id, retrain_id, training_id, first_training_id, warning_id)


def _northwind(maker: _Maker, agency: Agency) -> tuple[RegisteredModel, UUID, UUID]:
    session, at = maker.session, now()
    model = maker.model(maker.client("northwind", "Northwind Outfitters", Domain.ECOMMERCE, Plan.STANDARD), "support")
    golden, examples = maker.golden(model, 150)
    trained = maker.snapshot(model, Pool.TRAINING, 420)
    old = [bool(each) for each in maker.random.random(150) < 0.88]
    first = maker.version(model, "1.1", trained, None, at - timedelta(weeks=WEEKS + 6))
    version = maker.version(model, "1.2", trained, first, at - timedelta(weeks=WEEKS))
    maker.evaluate(first, golden, examples, [right and place % 11 != 0 for place, right in enumerate(old)])
    run = maker.evaluate(version, golden, examples, old)
    point(session, model, Alias.PREVIOUS, first.id)
    point(session, model, Alias.PRODUCTION, version.id)
    monitor = maker.monitor(version, run, MonitorStatus.ALERT, at - timedelta(days=4))
    maker.readings(monitor, [0.88] * 9 + [0.82, 0.79, 0.78, 0.77, 0.77], labels=60, until=at - timedelta(days=1))
    maker.traffic(version, 300, sure=0.6)
    maker.schedules(model)
    before, after = Rate(run.correct, run.n), Rate(46, 60)
    summary = (
        "Accuracy on sampled traffic fell from 87 % (81-92 %, n=150) to 77 % (65-86 %, n=60). A model that had not "
        "changed would raise such an alarm in less than 5 % of years. Most of it: warranty."
    )
    alert = Alert(
        client_id=model.client_id,
        model_id=model.id,
        monitor_id=monitor.id,
        kind=AlertKind.ACCURACY,
        level=AlertLevel.ALERT,
        summary=summary,
        opened_at=at - timedelta(days=4),
        evidence={
            "baseline": rate_of(before),
            "current": rate_of(after),
            "statistic": 1840.0,
            "threshold": 261.0,
            "false_alarms_a_year": 0.05,
            "categories": {label: rate_of(Rate(11 if label != "warranty" else 4, 12)) for label in LABELS},
            "fallen": ["warranty"],
            "reports": rate_of(Rate(19, 1210)),
        },
    )
    session.add(alert)
    session.flush()
    for change, days, actor, words in (
        (AlertChange.OPENED, 4, "monitor", summary),
        (AlertChange.REPEATED, 1, "monitor", "The next reading confirms it: 46 of 60 right."),
    ):
        session.add(
            AlertEvent(
                client_id=model.client_id,
                alert_id=alert.id,
                at=at - timedelta(days=days),
                change=change,
                level=AlertLevel.ALERT,
                actor=actor,
                summary=words,
            )
        )
    more = maker.snapshot(model, Pool.TRAINING, 505)
    candidate = maker.version(model, "1.3", more, version, at - timedelta(hours=3))
    better = [right or place % 3 != 1 for place, right in enumerate(old)]
    better[3] = better[57] = False
    cycle = maker.cycle(
        model, CycleState.AWAITING_PROMOTION, more, golden, parent=version, candidate=candidate, alert=alert
    )
    candidate_run = maker.evaluate(candidate, golden, examples, better)
    point(session, model, Alias.CANDIDATE, candidate.id)
    compare_runs(session, cycle=cycle, production=run, candidate=candidate_run, target=["warranty"], policy=Policy())
    maker.traffic_compared(cycle, version, candidate)
    for method, blend, right, chosen in (
        ("continue", 0.5, (37, 7), True),
        ("continue", 1.0, (35, 8), False),
        ("from_base", 1.0, (34, 7), False),
    ):
        dev = {
            "strong": {"n": 42, "correct": right[0], "score": 0.9},
            "target": {"n": 9, "correct": right[1], "score": 0.8},
        }
        row = Candidate(
            client_id=model.client_id, cycle_id=cycle.id, method=method, blend=blend, dev=dev, chosen=chosen
        )
        session.add(row)
    ask(session, cycle, ApprovalKind.PROMOTION, digest=candidate.digest, valid_for=timedelta(hours=60))
    who = owner_of(agency)
    for action, detail in (
        ("cycle.proposed", {}),
        ("approval.approved", {"kind": "retrain", "note": "Warranty is the new one, go ahead."}),
        ("cycle.training", {}),
        ("cycle.evaluating", {}),
        ("cycle.compared", {}),
        ("cycle.awaiting_promotion", {}),
    ):
        record(session, who, action, "cycle", cycle.id, client_id=model.client_id, **detail)
    return model, alert.id, cycle.id


def _bluebird(maker: _Maker, agency: Agency) -> tuple[UUID, UUID]:
    session, at = maker.session, now()
    model = maker.model(maker.client("bluebird", "Bluebird Clinics", Domain.HEALTHCARE, Plan.STANDARD), "triage")
    golden, examples = maker.golden(model, 80)
    trained = maker.snapshot(model, Pool.TRAINING, 310)
    version = maker.version(model, "2.0", trained, None, at - timedelta(weeks=5))
    run = maker.evaluate(version, golden, examples, [bool(each) for each in maker.random.random(80) < 0.92])
    point(session, model, Alias.PRODUCTION, version.id)
    monitor = maker.monitor(version, run, MonitorStatus.WARN, at - timedelta(days=9))
    maker.readings(monitor, [0.91, 0.9], labels=10, until=at - timedelta(days=2))
    maker.traffic(version, 90, sure=1.0)
    maker.schedules(model)
    warning = Alert(
        client_id=model.client_id,
        model_id=model.id,
        monitor_id=monitor.id,
        kind=AlertKind.REPORTS,
        level=AlertLevel.WARN,
        summary="Users reported 2.1 % (1.4-3.1 %, n=1190) of the answers as wrong, up from 0.6 % (0.3-1.2 %, n=1240).",
        opened_at=at - timedelta(days=9),
        evidence={"reports": rate_of(Rate(25, 1190))},
    )
    session.add(warning)
    session.flush()
    return _proposed(maker, agency, model, trained, golden, version), warning.id


def _corner(maker: _Maker, agency: Agency) -> UUID:
    model = maker.model(maker.client("corner", "Corner Books", Domain.ECOMMERCE, Plan.BASIC), "questions")
    golden, _ = maker.golden(model, 60)
    return _proposed(maker, agency, model, maker.snapshot(model, Pool.TRAINING, 240), golden, None)


def _proposed(
    maker: _Maker,
    agency: Agency,
    model: RegisteredModel,
    training: Snapshot,
    golden: Snapshot,
    parent: AdapterVersion | None,
) -> UUID:
    cycle = maker.cycle(model, CycleState.PROPOSED, training, golden, parent=parent)
    digest, who = _digest("plan", cycle.id), owner_of(agency)
    ask(maker.session, cycle, ApprovalKind.RETRAIN, digest=digest, valid_for=timedelta(hours=70), asked_by=who)
    record(maker.session, who, "cycle.proposed", "cycle", cycle.id, client_id=model.client_id)
    return cycle.id


def _harbor(maker: _Maker, agency: Agency) -> UUID:
    session, at = maker.session, now()
    model = maker.model(maker.client("harbor", "Harbor Legal", Domain.LEGAL, Plan.STANDARD), "intake")
    golden, examples = maker.golden(model, 120)
    trained = maker.snapshot(model, Pool.TRAINING, 640)
    version = maker.version(model, "3.1", trained, None, at - timedelta(weeks=WEEKS))
    run = maker.evaluate(version, golden, examples, [bool(each) for each in maker.random.random(120) < 0.93])
    point(session, model, Alias.PRODUCTION, version.id)
    monitor = maker.monitor(version, run, MonitorStatus.OK, at - timedelta(weeks=WEEKS))
    maker.readings(monitor, [0.93] * WEEKS, labels=50, until=at - timedelta(days=3))
    maker.traffic(version, 200, sure=1.2)
    maker.schedules(model)
    cycle = maker.cycle(model, CycleState.TRAINING, trained, golden, parent=version)
    job = JobRow(
        client_id=model.client_id,
        name="retraining.train",
        queue="gpu",
        args={"cycle_id": str(cycle.id)},
        state=JobState.RUNNING,
        attempts=1,
        max_attempts=3,
        progress={"stage": "training", "step": 40, "steps": 120, "loss": 0.61, "seconds_left": 95.0, "losses": LOSSES},
        started_at=at - timedelta(minutes=2),
        lease_until=at + timedelta(hours=1),
    )
    session.add(job)
    session.flush()
    cycle.job_id = job.id
    record(session, owner_of(agency), "cycle.proposed", "cycle", cycle.id, client_id=model.client_id)
    return cycle.id


def _digest(*parts: object) -> str:
    return sha256("/".join(map(str, parts)).encode()).hexdigest()


def show_ab_test(session: Session, agency: Agency, cycle_id: UUID) -> None:
    """A test of the cycle's candidate that runs."""
    cycle = session.get_one(RetrainingCycle, cycle_id)
    digest = session.get_one(AdapterVersion, cycle.candidate_version_id).digest
    start(session, principal=owner_of(agency), cycle_id=cycle_id, digest=digest)
    run_ab_test(session, cycle_id)


def run_ab_test(session: Session, cycle_id: UUID) -> None:
    """What the workers do: the traffic is split, and a reading of 40 labels an arm is taken."""
    test = tests_of(session, cycle_id)[0]
    begin(session, principal=Principal.system(test.agency_id, "worker"), test_id=test.id)
    right, wrong = Judged(correct=True, hallucinated=False), Judged(correct=False, hallucinated=False)
    production = ArmCounts(answers=1904, people=812, reporting=14, labelled=[right] * 31 + [wrong] * 9)
    candidate = ArmCounts(answers=477, people=203, reporting=2, labelled=[wrong, right, right, right, right] * 8)
    test.reading, test.read_at = figures(production, candidate, share=0.2), now()

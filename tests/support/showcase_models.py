"""Clients with models, versions and cycles for the showcase."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256

import numpy as np
from sqlmodel import Session

from tests.support.world import make_version, manifest
from tuneloop.evaluation.service import ItemResult, record_run
from tuneloop.kit.clock import now
from tuneloop.registry.contract import Contract, Task
from tuneloop.retraining.recipe import Recipe
from tuneloop.tables import (
    AdapterVersion,
    Alert,
    BaseModel,
    Client,
    CycleState,
    Domain,
    EvalRun,
    Example,
    Plan,
    Pool,
    RegisteredModel,
    RetrainingCycle,
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


class Models:
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
                content_hash=digest_of(model.id, place),
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
            digest=digest_of(model.id, pool, size),
            size=size,
            categories={},
        )
        self.session.add(snapshot)
        self.session.flush()
        return snapshot

    def version(
        self, model: RegisteredModel, number: str, trained: Snapshot, parent: AdapterVersion | None, at: datetime
    ) -> AdapterVersion:
        built = manifest(self.base, CONTRACT, adapter=digest_of(model.id, "adapter", number))
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


def digest_of(*parts: object) -> str:
    return sha256("/".join(map(str, parts)).encode()).hexdigest()

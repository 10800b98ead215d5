"""A model with data, and cycles in any state."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlmodel import Session

from tests.support.factories import make_base, make_client, make_model
from tests.support.world import make_version, manifest
from tuneloop.evaluation.service import ItemResult, record_run
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.registry.service import point
from tuneloop.retraining.approvals import ask
from tuneloop.retraining.recipe import Recipe
from tuneloop.tables import (
    AdapterVersion,
    Agency,
    Alert,
    AlertChange,
    AlertEvent,
    Alias,
    ApprovalKind,
    BaseModel,
    Client,
    Comparison,
    CycleState,
    EvalRun,
    Example,
    Monitor,
    Pool,
    RegisteredModel,
    RetrainingCycle,
    Snapshot,
    SnapshotItem,
    Source,
    Trigger,
)

PLAN = "1" * 64


@dataclass
class Workshop:
    """`golden` freezes the golden examples; versions differ in their adapter only unless told otherwise."""

    agency: Agency
    client: Client
    base: BaseModel
    model: RegisteredModel
    golden: Snapshot
    examples: list[Example] = field(default_factory=list)

    def version(
        self, session: Session, number: str, *, engine: str = "llama", base: BaseModel | None = None
    ) -> AdapterVersion:
        built = manifest(base or self.base, adapter=f"{int(number.replace('.', '')):064x}", engine=engine)
        version = make_version(self.model, built, number, self.golden)
        session.add(version)
        session.flush()
        return version

    def run(
        self, session: Session, version: AdapterVersion, correct: list[bool], *, snapshot: Snapshot | None = None
    ) -> EvalRun:
        """An eval run on the golden examples, right or wrong as told."""
        results = [self.answer(example, right) for example, right in zip(self.examples, correct, strict=True)]
        return record_run(
            session, version=version, snapshot=snapshot or self.golden, results=results, reused=0, seconds=1.0
        )

    def answer(self, example: Example, right: bool, *, hallucinated: bool = False) -> ItemResult:
        return ItemResult(
            example_id=example.id,
            category=example.category,
            expected=example.expected,
            answer=example.expected if right else "wrong",
            correct=right,
            score=float(right),
            hallucinated=hallucinated,
            detail="",
            confidence=0.9 if right else 0.4,
            margin=None,
            cache_key=f"{example.id}",
        )

    def cycle(self, session: Session, state: CycleState = CycleState.PROPOSED) -> RetrainingCycle:
        cycle = RetrainingCycle(
            agency_id=self.agency.id,
            client_id=self.client.id,
            model_id=self.model.id,
            state=state,
            trigger=Trigger.MANUAL,
            training_snapshot_id=self.golden.id,
            golden_snapshot_id=self.golden.id,
            recipe=Recipe().model_dump(mode="json"),
        )
        session.add(cycle)
        session.flush()
        return cycle

    def asked(
        self,
        session: Session,
        kind: ApprovalKind = ApprovalKind.RETRAIN,
        *,
        digest: str = PLAN,
        valid_for: timedelta = timedelta(hours=1),
    ) -> UUID:
        """A cycle that waits for an answer."""
        states = {ApprovalKind.RETRAIN: CycleState.PROPOSED, ApprovalKind.PROMOTION: CycleState.AWAITING_PROMOTION}
        cycle = self.cycle(session, states[kind])
        ask(session, cycle, kind, digest=digest, valid_for=valid_for)
        return cycle.id

    def alert(self, session: Session) -> UUID:
        """An open alert about accuracy, of a version in production."""
        version = self.version(session, "1.0")
        point(session, self.model, Alias.PRODUCTION, version.id)
        run = self.run(session, version, [True] * len(self.examples))
        client_id, model_id = self.client.id, self.model.id
        monitor = Monitor(
            client_id=client_id,
            model_id=model_id,
            version_id=version.id,
            baseline_run_id=run.id,
            charts={},
            read_until=now(),
        )
        session.add(monitor)
        session.flush()
        alert = Alert(client_id=client_id, model_id=model_id, monitor_id=monitor.id, summary="It fell.", evidence={})
        session.add(alert)
        session.flush()
        session.add(
            AlertEvent(
                client_id=client_id,
                alert_id=alert.id,
                level=alert.level,
                summary=alert.summary,
                change=AlertChange.OPENED,
                actor="monitor",
            )
        )
        return alert.id

    def first(self, session: Session, correct: list[bool]) -> UUID:
        """A cycle whose candidate is the first version, evaluated as told, and waits for promotion."""
        candidate = self.version(session, "1.0")
        self.run(session, candidate, correct)
        point(session, self.model, Alias.CANDIDATE, candidate.id)
        cycle_id = self.asked(session, ApprovalKind.PROMOTION, digest=candidate.digest)
        session.get_one(RetrainingCycle, cycle_id).candidate_version_id = candidate.id
        session.flush()
        return cycle_id

    def judged(
        self,
        session: Session,
        outcome: str,
        *,
        numbers: tuple[str, str] = ("1.0", "1.1"),
        table: dict[str, Any] | None = None,
        reasons: list[str] | None = None,
    ) -> UUID:
        """A cycle whose candidate was compared with production, both named by `numbers`, and waits for promotion."""
        production, candidate = (self.version(session, number) for number in numbers)
        right = [True] * len(self.examples)
        runs = [self.run(session, version, right) for version in (production, candidate)]
        point(session, self.model, Alias.PRODUCTION, production.id)
        point(session, self.model, Alias.CANDIDATE, candidate.id)
        cycle_id = self.asked(session, ApprovalKind.PROMOTION, digest=candidate.digest)
        cycle = session.get_one(RetrainingCycle, cycle_id)
        cycle.parent_version_id, cycle.candidate_version_id = production.id, candidate.id
        session.add(
            Comparison(
                client_id=self.client.id,
                cycle_id=cycle_id,
                production_run_id=runs[0].id,
                candidate_run_id=runs[1].id,
                production_digest=production.digest,
                candidate_digest=candidate.digest,
                table=table or {},
                outcome=outcome,
                reasons=reasons or [],
            )
        )
        session.flush()
        return cycle_id


def make_workshop(
    database: Database,
    agency: Agency,
    categories: list[str],
    *,
    base: str | BaseModel = "tiny",
    client_slug: str = "acme",
) -> Workshop:
    """One golden example of each named category, in order."""
    client = make_client(database, agency, client_slug)
    base_row = make_base(database, base) if isinstance(base, str) else base
    model = make_model(database, client, base_row)
    with database.unit(agency.id) as session:
        examples = [
            Example(
                client_id=client.id,
                model_id=model.id,
                pool=Pool.GOLDEN,
                messages=[{"role": "user", "content": f"message {place}"}],
                expected=category,
                category=category,
                source=Source.IMPORT,
                content_hash=f"{place:064x}",
                minhash=b"",
            )
            for place, category in enumerate(categories)
        ]
        golden = Snapshot(
            client_id=client.id,
            model_id=model.id,
            pool=Pool.GOLDEN,
            digest="2" * 64,
            size=len(examples),
            categories={},
        )
        session.add_all([*examples, golden])
        session.flush()
        session.add_all(
            SnapshotItem(client_id=client.id, snapshot_id=golden.id, example_id=example.id, position=place)
            for place, example in enumerate(examples)
        )
    return Workshop(agency, client, base_row, model, golden, examples)

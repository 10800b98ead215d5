"""A cycle at its gate: evaluated on the golden set, with traffic that the two versions answered differently."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlmodel import col, select

import tuneloop.retraining.handlers  # noqa: F401  (registers the handlers)
from tests.support.cycles import Workshop
from tests.support.runtime import silent_runtime
from tuneloop.kit.db import Database
from tuneloop.kit.jobs import JobRow, JobState
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.service import point
from tuneloop.retraining.jobs import CompareCandidate
from tuneloop.retraining.recipe import Recipe
from tuneloop.retraining.service import start_step
from tuneloop.review.answering import submit_label
from tuneloop.review.queue import GatePair, add_gate_items
from tuneloop.tables import (
    AdapterVersion,
    Alias,
    CycleState,
    DisagreementRun,
    Prediction,
    RetrainingCycle,
    ReviewItem,
)

RIGHT, WRONG = "order", "refund"

Work = Callable[[], int]
"""Runs what is queued."""


@dataclass
class Gate:
    workshop: Workshop
    production: AdapterVersion
    candidate: AdapterVersion
    cycle_id: UUID
    items: list[ReviewItem]

    def label(self, session: TenantSession, principal: Principal, fixed: list[bool]) -> None:
        """Answer the next items so that the candidate, or production, is the one that was right."""
        for right in fixed:
            item = self.items.pop(0)
            answer = item.answers["candidate" if right else "production"]
            submit_label(session, principal=principal, item_id=item.id, expected=answer)


def make_gate(
    session: TenantSession, workshop: Workshop, *, queries: int, disagreements: int, right: list[bool] | None = None
) -> Gate:
    """Compared, not yet looked at; `right` says which golden items the candidate gets right, production gets all.

    The plan has no further attempts; without `queries` the golden items judge alone.
    """
    everything = [True] * len(workshop.examples)
    production, candidate = workshop.version(session, "1.0"), workshop.version(session, "1.1")
    workshop.run(session, production, everything)
    workshop.run(session, candidate, right or everything)
    point(session, workshop.model, Alias.PRODUCTION, production.id)
    point(session, workshop.model, Alias.CANDIDATE, candidate.id)
    cycle = workshop.cycle(session, CycleState.COMPARED)
    cycle.parent_version_id, cycle.candidate_version_id = production.id, candidate.id
    cycle.recipe = Recipe(further_attempts=0).model_dump(mode="json")
    asked = [
        Prediction(
            client_id=workshop.client.id,
            model_id=workshop.model.id,
            version_id=production.id,
            digest=production.digest,
            messages=[{"role": "user", "content": f"query {number}"}],
            answer=RIGHT,
        )
        for number in range(disagreements)
    ]
    session.add_all(asked)
    if queries:
        session.add(
            DisagreementRun(
                client_id=workshop.client.id,
                cycle_id=cycle.id,
                production_digest=production.digest,
                candidate_digest=candidate.digest,
                queries=queries,
                disagreements=disagreements,
                agreed={RIGHT: queries - disagreements},
            )
        )
    items = add_gate_items(session, cycle=cycle, pairs=[GatePair(each, RIGHT, WRONG) for each in asked])
    start_step(session, cycle, CompareCandidate)
    session.flush()
    return Gate(workshop, production, candidate, cycle.id, items)


def work(database: Database, session: TenantSession, folder: Path) -> int:
    """Run every queued job of the gate, as a worker would; returns how many."""
    session.flush()
    storage = Storage((folder / "objects").as_uri(), cache=folder)
    runtime = silent_runtime(database, storage, Settings(data_dir=folder))
    queued = select(JobRow.id).where(JobRow.state == JobState.QUEUED)
    jobs = list(session.exec(queued))
    for job in jobs:
        runtime.run(job)
    failed = list(session.exec(select(JobRow.error).where(col(JobRow.error).is_not(None))))
    assert failed == []
    session.expire_all()
    return len(jobs)


def reload(session: TenantSession, gate: Gate) -> RetrainingCycle:
    return session.get_one(RetrainingCycle, gate.cycle_id)

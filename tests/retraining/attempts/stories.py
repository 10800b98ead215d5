"""Cycles whose candidate the gate turns down, and what their further attempts bring to it."""

from dataclasses import replace
from typing import Any

from sqlmodel import select

from tests.retraining.gating import Gate, make_gate, reload
from tests.support.cycles import Workshop
from tuneloop.kit.jobs import JobRow, JobState
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.service import point
from tuneloop.retraining.attempts import attempt_of, note_seconds
from tuneloop.retraining.jobs import CompareCandidate
from tuneloop.retraining.recipe import Recipe
from tuneloop.retraining.service import start_step
from tuneloop.tables import (
    Alias,
    Candidate,
    CycleState,
    Pool,
    RetrainingCycle,
    Snapshot,
    SnapshotItem,
)

LOSES = [False] * 40 + [True] * 80
"""Of 60 golden examples each of `order` and `refund`: the first 40 of `order` broke."""
EVERYTHING = [True] * 120


def tried(blend: float, strong: int, target: int, *, chosen: bool = False) -> dict[str, Any]:
    """Of 40 strong and 10 new dev examples, of which production has 38 and 0."""

    def stratum(correct: int, n: int, production: int) -> dict[str, Any]:
        before = {"n": n, "correct": production, "score": production / n}
        return {"n": n, "correct": correct, "score": correct / n, "production": before}

    dev = {"strong": stratum(strong, 40, 38), "target": stratum(target, 10, 0)}
    parts = [{"peft_sha256": "a" * 64, "gguf_sha256": "b" * 64, "scale": blend}]
    return {"method": "continue", "blend": blend, "dev": dev, "parts": parts, "chosen": chosen}


def compared(
    session: TenantSession, workshop: Workshop, *, right: list[bool], further: int = 2, queries: int = 1000
) -> Gate:
    """At its first look; three blends are trained, the one with 0.7 was chosen."""
    gate = make_gate(session, workshop, queries=queries, disagreements=60 if queries else 0, right=right)
    cycle = reload(session, gate)
    cycle.recipe = Recipe(further_attempts=further).model_dump(mode="json")
    for each in (tried(0.7, 38, 9, chosen=True), tried(0.5, 39, 6), tried(0.3, 40, 2)):
        session.add(Candidate(client_id=workshop.client.id, cycle_id=cycle.id, **each))
    note_seconds(session, cycle, train=100.0, release=10.0, evaluate=20.0, disagree=30.0)
    session.flush()
    return gate


def learned_too_little(
    session: TenantSession, workshop: Workshop, *, further: int = 2, seconds: dict[str, float]
) -> Gate:
    """As `compared`, but `refund` is new, and of its 60 golden examples the candidate gets 1 right, production none."""
    gate = compared(session, workshop, right=[True] * 61 + [False] * 59, further=further, queries=0)
    before = Snapshot(
        client_id=workshop.client.id,
        model_id=workshop.model.id,
        pool=Pool.TRAINING,
        digest="3" * 64,
        size=60,
        categories={},
    )
    session.add(before)
    session.flush()
    session.add_all(
        SnapshotItem(client_id=workshop.client.id, snapshot_id=before.id, example_id=example.id, position=place)
        for place, example in enumerate(workshop.examples[:60])
    )
    session.flush()
    parent = replace(workshop, golden=before).version(session, "0.9")
    workshop.run(session, parent, [True] * 60 + [False] * 60)
    point(session, workshop.model, Alias.PRODUCTION, parent.id)
    cycle = reload(session, gate)
    cycle.parent_version_id = parent.id
    attempt_of(session, cycle).seconds = seconds
    session.flush()
    return gate


def come_to_compare(session: TenantSession, gate: Gate, number: str, *, right: list[bool]) -> RetrainingCycle:
    """What the release and the evaluation of the present attempt do, without an engine."""
    cycle, workshop = reload(session, gate), gate.workshop
    version = workshop.version(session, number)
    workshop.run(session, version, right)
    point(session, workshop.model, Alias.CANDIDATE, version.id)
    cycle.candidate_version_id, cycle.state = version.id, CycleState.COMPARED
    for job in session.exec(select(JobRow).where(JobRow.state == JobState.QUEUED)):
        job.state = JobState.SUCCEEDED
    session.flush()
    start_step(session, cycle, CompareCandidate)
    session.flush()
    return cycle


def queued(session: TenantSession) -> list[str]:
    return list(session.exec(select(JobRow.name).where(JobRow.state == JobState.QUEUED)))

"""Rows that commands show."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tests.support.world import World, make_version, manifest
from tuneloop.evaluation.service import rate_of
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.storage import Storage
from tuneloop.registry.service import find_base, point
from tuneloop.stats.intervals import Rate
from tuneloop.tables import (
    AdapterVersion,
    Alias,
    Approval,
    ApprovalKind,
    Comparison,
    CycleState,
    EvalRun,
    RetrainingCycle,
    Snapshot,
    Trigger,
)


def add_version(database: Database, storage: Storage, world: World, files: Mapping[str, bytes]) -> AdapterVersion:
    """`acme/support@v1.1`, the candidate."""
    snapshot = world.row(Snapshot)
    assert isinstance(snapshot, Snapshot)
    with database.unit(world.agency.id) as session:
        built = manifest(find_base(session, "tiny"), adapter="9" * 64)
        version = make_version(world.model, built, "1.1", snapshot)
        version.parent_id = world.version.id
        version.files = [
            {"name": name, "sha256": storage.put_bytes(content), "size": len(content)}
            for name, content in files.items()
        ]
        session.add(version)
        session.flush()
        point(session, world.model, Alias.CANDIDATE, version.id)
    return version


def add_compared_cycle(
    database: Database, world: World, candidate: AdapterVersion, *, outcome: str = "promote"
) -> RetrainingCycle:
    """A cycle that waits for promotion, in place of the one that `world` has."""
    run = world.row(EvalRun)
    assert isinstance(run, EvalRun)
    with database.unit(world.agency.id) as session:
        before = session.get_one(RetrainingCycle, world.row(RetrainingCycle).id)
        before.state = CycleState.REJECTED
        session.add(before)
        session.flush()
        cycle = RetrainingCycle(
            client_id=world.client.id,
            model_id=world.model.id,
            state=CycleState.AWAITING_PROMOTION,
            trigger=Trigger.MANUAL,
            parent_version_id=world.version.id,
            candidate_version_id=candidate.id,
            recipe={},
        )
        session.add(cycle)
        session.flush()
        session.add(
            Approval(
                client_id=world.client.id,
                cycle_id=cycle.id,
                kind=ApprovalKind.PROMOTION,
                subject_digest=candidate.digest,
                expires_at=now() + timedelta(days=1),
            )
        )
        session.add(
            Comparison(
                client_id=world.client.id,
                cycle_id=cycle.id,
                production_run_id=run.id,
                candidate_run_id=run.id,
                production_digest=world.version.digest,
                candidate_digest=candidate.digest,
                table=comparison_table(),
                outcome=outcome,
                reasons=["Overall: proven, not worse by more than 3 points.", "New categories: 46 points better."],
                labels_needed=40 if outcome == "need_more_labels" else None,
            )
        )
    return cycle


def comparison_table() -> dict[str, Any]:
    item = {
        "example_id": "1",
        "category": "order",
        "expected": "order",
        "production": "refund [bold]\x1b[2J",
        "candidate": "order",
    }
    return {
        "rows": [
            row("overall", "Overall accuracy", 83, 88, 100),
            row("target", "New and fallen categories", 12, 23, 25),
            row("strong", "Previously strong categories", 71, 65, 75),
        ],
        "target": ["exchange"],
        "categories": [row("order", "order", 18, 19, 20)],
        "fixed": [item],
        "broken": [],
    }


def row(key: str, title: str, production: int, candidate: int, n: int) -> dict[str, Any]:
    difference = (candidate - production) / n
    return {
        "key": key,
        "title": title,
        "n": n,
        "production": rate_of(Rate(production, n)),
        "candidate": rate_of(Rate(candidate, n)),
        "difference": {"value": difference, "low": difference - 0.06, "high": difference + 0.06},
        "fixed": 8,
        "broken": 3,
        "p_value": 0.2,
    }

"""What starts and what ends an A/B test in the same moment, with real connections and commits: one outcome, no lock."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import NamedTuple
from uuid import UUID

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from tests.support.committed import committed_agency
from tests.support.cycles import make_workshop
from tests.support.factories import owner_of
from tuneloop.ab_tests.service import begin, start, stop
from tuneloop.deployment.service import deploy, roll_back
from tuneloop.kit.errors import TuneloopError
from tuneloop.kit.ids import new_id
from tuneloop.registry.service import aliases, lock_model, point
from tuneloop.retraining.live_test import LIVE, live_test
from tuneloop.retraining.service import approve_promotion, lock_cycle, reject
from tuneloop.retraining.states import advance
from tuneloop.tables import (
    AbState,
    AbTest,
    AdapterVersion,
    Agency,
    Alias,
    AuditEvent,
    CycleState,
    RegisteredModel,
    RetrainingCycle,
)
from tuneloop_local.engines import EngineUrls


class Scene(NamedTuple):
    agency: Agency
    model: RegisteredModel
    cycle_id: UUID
    digest: str
    previous: str
    test_id: UUID | None


Act = Callable[[Session, Scene], object]


def starts(session: Session, scene: Scene) -> object:
    return start(session, principal=owner_of(scene.agency), cycle_id=scene.cycle_id, digest=scene.digest)


def stops(session: Session, scene: Scene) -> object:
    assert scene.test_id is not None
    return stop(session, principal=owner_of(scene.agency), test_id=scene.test_id)


def rejects(session: Session, scene: Scene) -> object:
    return reject(session, principal=owner_of(scene.agency), cycle_id=scene.cycle_id, digest=scene.digest)


def rolls_back(session: Session, scene: Scene) -> object:
    return roll_back(session, principal=owner_of(scene.agency), model=scene.model, digest=scene.previous)


def promotes(session: Session, scene: Scene) -> object:
    """The decision, and what the worker does about it."""
    lock_model(session, scene.model)
    approve_promotion(session, principal=owner_of(scene.agency), cycle_id=scene.cycle_id, digest=scene.digest)
    cycle = lock_cycle(session, scene.cycle_id)
    version = session.get_one(AdapterVersion, cycle.candidate_version_id)
    deploy(session, principal=owner_of(scene.agency), model=scene.model, version=version)
    advance(session, cycle, CycleState.DEPLOYED, principal=owner_of(scene.agency))
    return None


@pytest.mark.parametrize(
    ("running", "acts"),
    [
        (False, (starts, starts)),
        (False, (starts, rolls_back)),
        (False, (starts, promotes)),
        (False, (starts, rejects)),
        (True, (stops, promotes)),
        (True, (stops, rolls_back)),
        (True, (rejects, stops)),
        (True, (promotes, rolls_back)),
    ],
    ids=lambda value: "-".join(act.__name__ for act in value) if isinstance(value, tuple) else None,
)
def test_one_outcome_and_never_a_test_against_another_production(
    engine: Engine, urls: EngineUrls, running: bool, acts: tuple[Act, Act]
) -> None:
    with committed_agency(engine, urls) as (database, agency):
        workshop = make_workshop(database, agency, ["order"], base=f"base-{new_id()}")
        for round_ in range(3):
            with database.unit(agency.id) as session:
                numbers = (f"{round_}.0", f"{round_}.1")
                older = workshop.version(session, f"{round_}.9")
                cycle_id = workshop.judged(session, "promote", numbers=numbers)
                point(session, workshop.model, Alias.PREVIOUS, older.id)
                workshop.run(session, older, [True])
                candidate = session.get_one(RetrainingCycle, cycle_id).candidate_version_id
                digest, previous = session.get_one(AdapterVersion, candidate).digest, older.digest
            scene = Scene(agency, workshop.model, cycle_id, digest, previous, None)
            if running:
                with database.unit(agency.id) as session:
                    test = start(session, principal=owner_of(agency), cycle_id=cycle_id, digest=digest)
                    begin(session, principal=owner_of(agency), test_id=test.id)
                scene = scene._replace(test_id=test.id)
            ready = Barrier(2)

            def act(one: Act) -> str:
                ready.wait()  # noqa: B023  (both threads end before the next round)
                try:
                    with database.unit(agency.id) as session:
                        one(session, scene)  # noqa: B023
                except TuneloopError as refused:
                    return refused.message
                return "done"

            with ThreadPoolExecutor(2) as pool:
                told = list(pool.map(act, acts))
            assert "done" in told, told
            with database.unit(agency.id) as session:
                live = live_test(session, workshop.model.id)
                production = aliases(session, workshop.model.id)[Alias.PRODUCTION]
                if live is not None:
                    assert acts[0] is starts
                    assert live.production_version_id == production.id
                    assert live.candidate_version_id != production.id
                tests = session.exec(select(AbTest).where(AbTest.cycle_id == cycle_id)).all()
                assert len(tests) <= 1
                ends = session.exec(
                    select(AuditEvent.action).where(
                        AuditEvent.subject_id == str(cycle_id),
                        col(AuditEvent.action).in_([f"ab_test.{state}" for state in AbState if state not in LIVE]),
                    )
                ).all()
                assert len(ends) == sum(each.ended_at is not None for each in tests)
                if live is not None:
                    live.state = AbState.STOPPED
                session.get_one(RetrainingCycle, cycle_id).state = CycleState.FAILED

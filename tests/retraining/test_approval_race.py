"""Decisions that race, with real connections and commits."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import select

from tests.support.committed import committed_agency
from tests.support.cycles import PLAN, make_workshop
from tests.support.factories import owner_of
from tuneloop.kit.errors import Conflict
from tuneloop.kit.ids import new_id
from tuneloop.retraining.approvals import questions
from tuneloop.retraining.service import approve_retrain, lock_cycle, reject
from tuneloop.tables import AuditEvent, Candidate, CycleState, Decision, JobRow, RetrainingCycle
from tuneloop_local.engines import EngineUrls

Act = Callable[..., Any]
APPROVED = (CycleState.APPROVED, Decision.APPROVED, 1)
REJECTED = (CycleState.REJECTED, Decision.REJECTED, 0)


@pytest.mark.failure_case(6)
@pytest.mark.parametrize("acts", [(approve_retrain, approve_retrain), (approve_retrain, reject), (reject, reject)])
def test_of_two_decisions_at_once_exactly_one_counts(engine: Engine, urls: EngineUrls, acts: tuple[Act, Act]) -> None:
    with committed_agency(engine, urls) as (database, agency):
        workshop = make_workshop(database, agency, ["order"], base=f"base-{new_id()}")
        for _ in range(5):
            with database.unit(agency.id) as session:
                cycle_id = workshop.asked(session)
            ready = Barrier(2)

            def decide(act: Act) -> str:
                ready.wait()  # noqa: B023  (both threads end before the next round)
                try:
                    with database.unit(agency.id) as session:
                        act(session, principal=owner_of(agency), cycle_id=cycle_id, digest=PLAN)  # noqa: B023
                except Conflict as refused:
                    return refused.message
                return "counted"

            with ThreadPoolExecutor(2) as pool:
                told = sorted(pool.map(decide, acts))
            with database.unit(agency.id) as session:
                cycle = session.get_one(RetrainingCycle, cycle_id)
                (question,) = questions(session, cycle_id)
                jobs = session.exec(select(JobRow).where(JobRow.id == cycle.job_id)).all()
                events = session.exec(select(AuditEvent).where(AuditEvent.subject_id == str(cycle_id))).all()
                assert (cycle.state, question.decision, len(jobs)) in (APPROVED, REJECTED)
                assert len([event for event in events if event.action.startswith("approval.")]) == 1
                cycle.state = CycleState.FAILED
            assert told[0].startswith("already ")
            assert told[1] == "counted"


def test_what_refers_to_a_cycle_does_not_wait_for_the_step_that_has_locked_it(engine: Engine, urls: EngineUrls) -> None:
    """A label does while the gate looks: each would wait for what the other has locked."""
    with committed_agency(engine, urls) as (database, agency):
        workshop = make_workshop(database, agency, ["order"], base=f"base-{new_id()}")
        with database.unit(agency.id) as session:
            cycle_id = workshop.asked(session)
        with database.unit(agency.id) as step, database.unit(agency.id) as label:
            cycle = lock_cycle(step, cycle_id)
            label.add(Candidate(client_id=cycle.client_id, cycle_id=cycle_id, method="continue", blend=1.0, dev={}))
            label.flush()
            assert label.exec(select(Candidate.cycle_id)).all() == [cycle_id]

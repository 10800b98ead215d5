"""A share of the answers teaches nothing until a gate has used it, so that the gate's queries are not hand-picked."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlmodel import col, select

from tests.predictions.conftest import Log, make_log
from tuneloop.datasets.corrections import accept_correction, accept_corrections
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.errors import Conflict
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.predictions.gate_holdout import gate_queries, is_reserved, refuse_reserved, reserved
from tuneloop.predictions.service import report_feedback
from tuneloop.tables import (
    Client,
    DisagreementRun,
    Feedback,
    FeedbackKind,
    FeedbackState,
    Pool,
    Prediction,
    RetrainingCycle,
    Snapshot,
    Trigger,
)

SHARE = 0.5


@pytest.fixture
def log(database: Database, session: TenantSession, client_row: Client) -> Log:
    """A hundred answers, half of which are reserved on average."""
    log = make_log(database, client_row, size=100)
    share_of(session, log, SHARE)
    return log


def share_of(session: TenantSession, log: Log, share: float) -> None:
    log.model.policy = {"gate_share": share}
    session.add(log.model)
    session.flush()


def kept(session: TenantSession, log: Log) -> set[UUID]:
    return set(session.exec(select(Prediction.id).where(reserved(session, log.model))))


def cycle_of(session: TenantSession, log: Log) -> RetrainingCycle:
    snapshot = session.exec(select(Snapshot).where(Snapshot.model_id == log.model.id)).first()
    assert snapshot is not None
    cycle = RetrainingCycle(
        client_id=log.model.client_id,
        model_id=log.model.id,
        trigger=Trigger.MANUAL,
        training_snapshot_id=snapshot.id,
        golden_snapshot_id=snapshot.id,
        recipe={},
    )
    session.add(cycle)
    session.flush()
    return cycle


def run_gate(session: TenantSession, cycle: RetrainingCycle) -> None:
    session.add(
        DisagreementRun(
            client_id=cycle.client_id,
            cycle_id=cycle.id,
            production_digest="1" * 64,
            candidate_digest="2" * 64,
            queries=1,
            disagreements=0,
            agreed={},
            created_at=now(),
        )
    )
    session.flush()


def correct(session: TenantSession, prediction: UUID) -> Feedback:
    return report_feedback(session, answer_id=prediction, kind=FeedbackKind.CORRECTION, correction="refund")


def test_database_and_program_choose_the_same_share(session: TenantSession, log: Log) -> None:
    chosen = kept(session, log)
    assert chosen == {row.id for row in log.rows if is_reserved(session, model=log.model, prediction=row)}
    assert 30 <= len(chosen) <= 70
    share_of(session, log, 0.2)
    fewer = kept(session, log)
    assert fewer < chosen
    share_of(session, log, 0.0)
    assert kept(session, log) == set()


def test_a_reserved_answer_s_correction_may_measure_but_not_train(
    session: TenantSession, principal: Principal, log: Log
) -> None:
    chosen = kept(session, log)
    one, other = next(iter(chosen)), next(row.id for row in log.rows if row.id not in chosen)
    feedback = correct(session, one)
    with pytest.raises(Conflict, match="kept for the comparison"):
        accept_correction(session, principal=principal, feedback_id=feedback.id, pool=Pool.TRAINING)
    assert feedback.state is FeedbackState.OPEN
    outcome = accept_corrections(
        session,
        principal=principal,
        model_id=log.model.id,
        feedback_ids=[feedback.id, correct(session, other).id],
        pool=Pool.TRAINING,
    )
    assert [each.feedback_id for each in outcome.refused] == [feedback.id]
    assert len(outcome.accepted) == 1


def test_what_a_gate_has_used_may_teach(session: TenantSession, principal: Principal, log: Log) -> None:
    chosen = kept(session, log)
    run_gate(session, cycle_of(session, log))
    assert kept(session, log) == set()
    refuse_reserved(session, model=log.model, prediction_ids=chosen)
    feedback = correct(session, next(iter(chosen)))
    assert accept_correction(session, principal=principal, feedback_id=feedback.id, pool=Pool.TRAINING)


def test_the_gate_asks_what_is_reserved_and_what_came_after_the_data_was_frozen(
    session: TenantSession, log: Log
) -> None:
    chosen = kept(session, log)
    cycle = cycle_of(session, log)
    cycle.created_at = log.rows[89].at
    session.add(cycle)
    session.flush()
    late = {row.id for row in log.rows[90:]}
    asked = gate_queries(session, cycle=cycle, model=log.model, limit=1000)
    assert {row.id for row in asked} == chosen | late
    assert [row.at for row in asked] == sorted((row.at for row in asked), reverse=True)
    assert gate_queries(session, cycle=cycle, model=log.model, limit=5) == asked[:5]


def test_a_repeated_conversation_is_asked_once(session: TenantSession, log: Log) -> None:
    cycle = cycle_of(session, log)
    cycle.created_at = now() - timedelta(days=1)
    for row in session.exec(select(Prediction).where(col(Prediction.id).in_([row.id for row in log.rows[:50]]))):
        row.messages = log.rows[99].messages
    session.flush()
    asked = gate_queries(session, cycle=cycle, model=log.model, limit=1000)
    assert len(asked) == 50
    assert asked[0].id == log.rows[99].id

"""Which of production's answers a retrain learns to leave alone."""

from uuid import UUID

import pytest
from sqlmodel import select

from tests.predictions.conftest import Log, make_log
from tuneloop.datasets.service import add_example
from tuneloop.kit.db import Database
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.predictions.gate_holdout import reserved
from tuneloop.predictions.service import report_feedback
from tuneloop.registry.templates import Message
from tuneloop.retraining.traffic import unlabelled_traffic
from tuneloop.tables import Client, FeedbackKind, Pool, Prediction, RetrainingCycle, Snapshot, Source, Trigger


@pytest.fixture
def log(database: Database, session: TenantSession, client_row: Client) -> Log:
    log = make_log(database, client_row, size=60)
    log.model.policy = {"gate_share": 0.25}
    session.add(log.model)
    session.flush()
    return log


@pytest.fixture
def cycle(session: TenantSession, log: Log) -> RetrainingCycle:
    """Proposed after the fiftieth answer."""
    snapshot = session.exec(select(Snapshot).where(Snapshot.model_id == log.model.id)).first()
    assert snapshot is not None
    cycle = RetrainingCycle(
        client_id=log.model.client_id,
        model_id=log.model.id,
        trigger=Trigger.MANUAL,
        parent_version_id=log.rows[0].version_id,
        training_snapshot_id=snapshot.id,
        golden_snapshot_id=snapshot.id,
        recipe={},
        created_at=log.rows[50].at,
    )
    session.add(cycle)
    session.flush()
    return cycle


def taken(session: TenantSession, log: Log, cycle: RetrainingCycle) -> list[UUID]:
    return [row.id for row in unlabelled_traffic(session, cycle=cycle, model=log.model)]


def test_it_is_what_the_parent_answered_before_the_proposal_and_the_gate_does_not_wait_for(
    session: TenantSession, log: Log, cycle: RetrainingCycle
) -> None:
    waiting = set(session.exec(select(Prediction.id).where(reserved(session, log.model))))
    expected = [row.id for row in reversed(log.rows[:50]) if row.id not in waiting]
    assert waiting
    assert taken(session, log, cycle) == expected
    cycle.parent_version_id = None
    assert taken(session, log, cycle) == []


def test_answers_that_people_spoke_about_or_that_became_examples_are_left_out(
    session: TenantSession, principal: Principal, log: Log, cycle: RetrainingCycle
) -> None:
    before = taken(session, log, cycle)
    corrected, labelled, near = (next(row for row in log.rows if row.id == chosen) for chosen in before[:3])
    report_feedback(session, answer_id=corrected.id, kind=FeedbackKind.CORRECTION, correction="refund")
    for row, source in ((labelled, labelled.id), (near, None)):
        add_example(
            session,
            principal=principal,
            model=log.model,
            pool=Pool.ROLLING,
            messages=[Message.model_validate(message) for message in row.messages],
            expected="order",
            category="order",
            source=Source.SAMPLED,
            prediction_id=source,
        )
    after = set(taken(session, log, cycle))
    assert after
    assert after <= set(before[3:])


def test_one_answer_is_taken_for_each_conversation(session: TenantSession, log: Log, cycle: RetrainingCycle) -> None:
    before = taken(session, log, cycle)
    kept, repeated = (session.get_one(Prediction, each) for each in before[4:6])
    repeated.messages = kept.messages
    session.add(repeated)
    session.flush()
    assert taken(session, log, cycle) == [each for each in before if each != before[5]]

"""Corrections train only after a person accepted them."""

import pytest
from sqlmodel import col, select

from tests.predictions.conftest import Log
from tuneloop.datasets.corrections import accept_correction, accept_corrections, dismiss
from tuneloop.kit.errors import Conflict, InvalidInput, NotFound
from tuneloop.kit.ids import new_id
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.predictions.service import report_feedback
from tuneloop.tables import AuditEvent, Example, Feedback, FeedbackKind, FeedbackState, Pool, Source


def correct(session: TenantSession, log: Log, row: int = 0, correction: str = "refund") -> Feedback:
    return report_feedback(session, answer_id=log.rows[row].id, kind=FeedbackKind.CORRECTION, correction=correction)


def test_accepted_correction_becomes_an_example_of_the_pool(
    session: TenantSession, principal: Principal, log: Log
) -> None:
    feedback = correct(session, log)
    assert session.exec(select(Example)).all() == []
    example = accept_correction(session, principal=principal, feedback_id=feedback.id, pool=Pool.TRAINING)
    assert (example.pool, example.expected, example.category) == (Pool.TRAINING, "refund", "refund")
    assert (example.source, example.prediction_id) == (Source.CORRECTION, log.rows[0].id)
    assert example.messages == log.rows[0].messages
    assert feedback.state is FeedbackState.ACCEPTED
    actions = session.exec(select(AuditEvent.action).where(col(AuditEvent.subject_id) == str(feedback.id))).all()
    assert actions == ["feedback.accepted"]


def test_second_decision_is_refused(session: TenantSession, principal: Principal, log: Log) -> None:
    feedback = correct(session, log)
    accept_correction(session, principal=principal, feedback_id=feedback.id, pool=Pool.TRAINING)
    for decide in (
        lambda: accept_correction(session, principal=principal, feedback_id=feedback.id, pool=Pool.TRAINING),
        lambda: dismiss(session, principal=principal, feedback_id=feedback.id),
    ):
        with pytest.raises(Conflict, match="accepted already"):
            decide()


def test_dismissing_twice_is_once(session: TenantSession, principal: Principal, log: Log) -> None:
    feedback = correct(session, log)
    for _ in range(2):
        assert dismiss(session, principal=principal, feedback_id=feedback.id).state is FeedbackState.DISMISSED
    assert session.exec(select(Example)).all() == []


def test_only_a_correction_can_become_an_example(session: TenantSession, principal: Principal, log: Log) -> None:
    report = report_feedback(session, answer_id=log.rows[0].id, kind=FeedbackKind.ERROR)
    with pytest.raises(InvalidInput, match="not a correction"):
        accept_correction(session, principal=principal, feedback_id=report.id, pool=Pool.TRAINING)


def test_unknown_feedback_is_not_found(session: TenantSession, principal: Principal, log: Log) -> None:
    with pytest.raises(NotFound):
        accept_correction(session, principal=principal, feedback_id=new_id(), pool=Pool.TRAINING)


def test_bulk_accepts_what_it_can_and_names_the_rest(session: TenantSession, principal: Principal, log: Log) -> None:
    good = correct(session, log, 0)
    reported = report_feedback(session, answer_id=log.rows[1].id, kind=FeedbackKind.ERROR)
    unknown = new_id()
    outcome = accept_corrections(
        session,
        principal=principal,
        model_id=log.model.id,
        feedback_ids=[good.id, reported.id, unknown, good.id],
        pool=Pool.TRAINING,
    )
    assert [each.feedback_id for each in outcome.accepted] == [good.id]
    assert [each.feedback_id for each in outcome.refused] == [reported.id, unknown]
    assert reported.state is FeedbackState.OPEN


def test_correction_too_like_the_golden_set_stays_open(session: TenantSession, principal: Principal, log: Log) -> None:
    golden, training = correct(session, log, 0), correct(session, log, 1)
    log.rows[1].messages = log.rows[0].messages
    session.add(log.rows[1])
    session.flush()
    accept_correction(session, principal=principal, feedback_id=golden.id, pool=Pool.GOLDEN)
    outcome = accept_corrections(
        session, principal=principal, model_id=log.model.id, feedback_ids=[training.id], pool=Pool.TRAINING
    )
    assert [each.feedback_id for each in outcome.refused] == [training.id]
    session.refresh(training)
    assert training.state is FeedbackState.OPEN

"""One word per reporter and kind, which counts until somebody reviews it."""

from typing import Any

import pytest

from tests.predictions.conftest import Log
from tuneloop.datasets.corrections import dismiss
from tuneloop.kit.errors import Conflict, InvalidInput, NotFound
from tuneloop.kit.ids import new_id
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.predictions.service import list_feedback, report_feedback
from tuneloop.tables import FeedbackKind, FeedbackState


def test_later_word_of_a_reporter_replaces_the_earlier(session: TenantSession, log: Log) -> None:
    answer_id = log.rows[0].id
    for rating in (1, 5):
        report_feedback(session, answer_id=answer_id, kind=FeedbackKind.RATING, rating=rating, reporter="a")
    (only,) = list_feedback(session, model_id=log.model.id, limit=10)
    assert only.feedback.rating == 5


def test_anonymous_reports_of_a_kind_are_one(session: TenantSession, log: Log) -> None:
    first = report_feedback(session, answer_id=log.rows[0].id, kind=FeedbackKind.ERROR)
    second = report_feedback(session, answer_id=log.rows[0].id, kind=FeedbackKind.ERROR)
    assert first.id == second.id


def test_reviewed_word_cannot_change_but_may_be_repeated(
    session: TenantSession, principal: Principal, log: Log
) -> None:
    said: dict[str, Any] = {"answer_id": log.rows[0].id, "kind": FeedbackKind.CORRECTION}
    feedback = report_feedback(session, **said, correction="refund")
    dismiss(session, principal=principal, feedback_id=feedback.id)
    assert report_feedback(session, **said, correction="refund").state is FeedbackState.DISMISSED
    with pytest.raises(Conflict, match="dismissed already"):
        report_feedback(session, **said, correction="repair")


def test_correction_must_be_a_label(session: TenantSession, log: Log) -> None:
    with pytest.raises(InvalidInput, match="it knows order, refund, repair"):
        report_feedback(session, answer_id=log.rows[0].id, kind=FeedbackKind.CORRECTION, correction="Refundd")


def test_feedback_on_an_unknown_answer_is_not_found(session: TenantSession, log: Log) -> None:
    with pytest.raises(NotFound):
        report_feedback(session, answer_id=new_id(), kind=FeedbackKind.ERROR)

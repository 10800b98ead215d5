"""Readings of an A/B test: ask for labels of both arms, count, and stop what does harm or has had its time."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from math import ceil
from uuid import UUID

from sqlalchemy import ColumnElement, Text, cast
from sqlmodel import Session, col, func, select

from tuneloop.ab_tests.figures import GUARDRAILS, ArmCounts, Judged, figures
from tuneloop.ab_tests.jobs import ReadAbTest
from tuneloop.ab_tests.schemas import FEWEST_LABELS
from tuneloop.ab_tests.service import lock_ab_test
from tuneloop.clients.entitlements import allowance
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict
from tuneloop.kit.jobs import Duty, enqueue_once, hurry, is_planned
from tuneloop.kit.principal import Principal
from tuneloop.registry.service import aliases
from tuneloop.retraining.live_test import end
from tuneloop.review.sampling import add_arm_sample
from tuneloop.tables import (
    AbState,
    AbTest,
    Alias,
    Arm,
    Feature,
    Feedback,
    FeedbackKind,
    Prediction,
    RegisteredModel,
    ReviewItem,
    ReviewPurpose,
    ReviewState,
    Role,
)

EVERY = timedelta(minutes=10)
BY_GUARDRAIL = "the guardrail"
BY_CALENDAR = "the calendar"

JudgeArm = Callable[[Sequence[ReviewItem], Sequence[Prediction]], list[Judged]]
"""Says for each labelled answer whether it was right, and whether it made something up."""


def _unread(session: Session) -> Sequence[UUID]:
    planned = is_planned(ReadAbTest, col(AbTest.id))
    return session.exec(select(AbTest.id).where(AbTest.state == AbState.RUNNING, ~planned)).all()


def _plan_reading(session: Session, test_id: UUID) -> None:
    test = session.get_one(AbTest, test_id)
    enqueue_once(session, ReadAbTest(ab_test_id=test.id), test.id, owner=test, delay=EVERY)


READINGS = Duty("A/B readings", _unread, _plan_reading)
"""The next reading of each running test that has none."""


def read_now(session: Session, *, principal: Principal, test_id: UUID) -> UUID:
    """Have a test read at once, instead of within ten minutes; returns the job.

    Raises:
        Conflict: it does not run, or is being read.
    """
    principal.require(Role.OPERATOR)
    _, test = lock_ab_test(session, test_id)
    if test.state is not AbState.RUNNING:
        raise Conflict(f"the test is {test.state}; one that runs can be read", state=test.state)
    job_id = hurry(session, ReadAbTest, test.id) or enqueue_once(
        session, ReadAbTest(ab_test_id=test.id), test.id, owner=test
    )
    if job_id is None:
        raise Conflict("a reading of this test is under way")
    return job_id


def read(session: Session, *, principal: Principal, test_id: UUID, judge: JudgeArm) -> AbTest:
    """One look. Ends the test when a guardrail is broken, production has moved, or its time is over."""
    cycle, test = lock_ab_test(session, test_id)
    if test.state is not AbState.RUNNING:
        return test
    model = session.get_one(RegisteredModel, test.model_id)
    reading = figures(
        _counts(session, test, Arm.PRODUCTION, judge), _counts(session, test, Arm.CANDIDATE, judge), share=test.share
    )
    test.reading, test.read_at = dict(reading), now()
    session.add(test)
    production = aliases(session, model.id).get(Alias.PRODUCTION)
    if production is None or production.id != test.production_version_id:
        ending = (AbState.STOPPED, "production has changed since the test began", BY_CALENDAR)
    elif reading["harm"]:
        harm = "; ".join(GUARDRAILS[name] for name in reading["harm"])
        ending = (AbState.STOPPED, f"harm is proven: {harm}", BY_GUARDRAIL)
    elif test.ends_at is not None and test.ends_at <= test.read_at:
        ending = (AbState.EXPIRED, f"its {test.days} days are over", BY_CALENDAR)
    else:
        ask_about(session, model, test)
        return test
    state, reason, by = ending
    end(session, cycle, test, principal=principal, state=state, reason=reason, by=by)
    return test


def ask_about(session: Session, model: RegisteredModel, test: AbTest) -> int:
    """Put answers into the queue, as many of either arm, spread over the test's time; returns how many were added."""
    found = allowance(session, test.client_id, Feature.LABELS)
    if found.suspension is not None or test.began_at is None:
        return 0
    gone = (now() - test.began_at) / timedelta(days=test.days)
    wanted = min(test.labels, max(FEWEST_LABELS, ceil(test.labels * gone)))
    asked = {arm: _asked(session, test, arm) for arm in Arm}
    if found.left is not None:
        wanted = min(wanted, (sum(asked.values()) + found.left) // 2)
    drawn = add_arm_sample(session, model, test, Arm.CANDIDATE, wanted - asked[Arm.CANDIDATE])
    equal = asked[Arm.CANDIDATE] + len(drawn)
    drawn += add_arm_sample(session, model, test, Arm.PRODUCTION, equal - asked[Arm.PRODUCTION])
    return len(drawn)


def _asked(session: Session, test: AbTest, arm: Arm) -> int:
    query = (
        select(func.count(col(ReviewItem.id)))
        .join(Prediction, col(Prediction.id) == ReviewItem.prediction_id)
        .where(*_of(test, arm), ReviewItem.purpose == ReviewPurpose.SAMPLE)
    )
    return session.exec(query).one()


def _counts(session: Session, test: AbTest, arm: Arm, judge: JudgeArm) -> ArmCounts:
    person = func.coalesce(func.nullif(col(Prediction.end_user), ""), cast(Prediction.id, Text))
    answers, people = session.exec(
        select(func.count(col(Prediction.id)), func.count(func.distinct(person))).where(*_of(test, arm))
    ).one()
    reporting = session.exec(
        select(func.count(func.distinct(person)))
        .join(Feedback, col(Feedback.prediction_id) == Prediction.id)
        .where(*_of(test, arm), col(Feedback.kind).in_([FeedbackKind.ERROR, FeedbackKind.CORRECTION]))
    ).one()
    labelled = session.exec(
        select(ReviewItem, Prediction)
        .join(Prediction, col(Prediction.id) == ReviewItem.prediction_id)
        .where(*_of(test, arm), ReviewItem.purpose == ReviewPurpose.SAMPLE, ReviewItem.state == ReviewState.DONE)
        .order_by(col(ReviewItem.closed_at), col(ReviewItem.id))
    ).all()
    judged = judge([item for item, _ in labelled], [prediction for _, prediction in labelled])
    return ArmCounts(answers, people, reporting, judged)


def _of(test: AbTest, arm: Arm) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return col(Prediction.ab_test_id) == test.id, col(Prediction.arm) == arm

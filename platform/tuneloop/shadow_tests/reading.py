"""Readings of a shadow test: compare what came in, ask about differences, count, and end what has had its time."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from math import ceil
from uuid import UUID

from sqlalchemy import or_
from sqlmodel import Session, col, func, select

from tuneloop.clients.entitlements import allowance
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict
from tuneloop.kit.jobs import Duty, enqueue_once, hurry, is_planned
from tuneloop.kit.principal import Principal
from tuneloop.predictions.erased import has_text
from tuneloop.registry.service import aliases
from tuneloop.retraining.live_shadow import end_shadow
from tuneloop.review.queue import add_shadow_items
from tuneloop.shadow_tests.figures import figures
from tuneloop.shadow_tests.jobs import ReadShadowTest
from tuneloop.shadow_tests.schemas import Latencies, ShadowReading
from tuneloop.shadow_tests.service import lock_shadow
from tuneloop.tables import (
    Alias,
    Feature,
    Prediction,
    RegisteredModel,
    ReviewItem,
    ReviewPurpose,
    ReviewState,
    Role,
    ShadowAnswer,
    ShadowState,
    ShadowTest,
)

EVERY = timedelta(minutes=10)
FIRST_LABELS = 10
BY_CALENDAR = "the calendar"

SameAnswer = Callable[[str, str], bool]
"""Whether two answers say the same."""

JudgeDifference = Callable[[ReviewItem], tuple[bool, bool]]
"""Of a labelled difference, whether production and whether the candidate was right."""


def _unread(session: Session) -> Sequence[UUID]:
    """Those that run, and those that have ended since they were last read: some answers come in at the end."""
    planned = is_planned(ReadShadowTest, col(ShadowTest.id))
    begun = col(ShadowTest.began_at).is_not(None)
    last = or_(
        col(ShadowTest.ended_at).is_(None),
        col(ShadowTest.read_at).is_(None),
        col(ShadowTest.read_at) < col(ShadowTest.ended_at),
    )
    return session.exec(select(ShadowTest.id).where(begun, last, ~planned)).all()


def _plan_reading(session: Session, test_id: UUID) -> None:
    test = session.get_one(ShadowTest, test_id)
    enqueue_once(session, ReadShadowTest(shadow_test_id=test.id), test.id, owner=test, delay=EVERY)


SHADOW_READINGS = Duty("shadow readings", _unread, _plan_reading)
"""The next reading of each test that has none and wants one."""


def read_now(session: Session, *, principal: Principal, test_id: UUID) -> UUID:
    """Have a test read at once, instead of within ten minutes; returns the job. Labels of an ended one count too.

    Raises:
        Conflict: it has not begun, or is being read.
    """
    principal.require(Role.OPERATOR)
    _, test = lock_shadow(session, test_id)
    if test.began_at is None:
        raise Conflict(f"the test is {test.state}; one that has begun can be read", state=test.state)
    job_id = hurry(session, ReadShadowTest, test.id) or enqueue_once(
        session, ReadShadowTest(shadow_test_id=test.id), test.id, owner=test
    )
    if job_id is None:
        raise Conflict("a reading of this test is under way")
    return job_id


def read(
    session: Session, *, principal: Principal, test_id: UUID, same: SameAnswer, judge: JudgeDifference
) -> ShadowTest:
    """One look. Ends the test when its time or budget is over, or production has moved."""
    cycle, test = lock_shadow(session, test_id)
    if test.began_at is None:
        return test
    model = session.get_one(RegisteredModel, test.model_id)
    _compare(session, test, same)
    if test.state is ShadowState.RUNNING:
        ask_about(session, model, test)
    test.reading, test.read_at = dict(_found(session, test, judge)), now()
    session.add(test)
    if test.state is not ShadowState.RUNNING:
        return test
    production = aliases(session, model.id).get(Alias.PRODUCTION)
    ending = None
    if production is None or production.id != test.production_version_id:
        ending = (ShadowState.STOPPED, "production has changed since the test began")
    elif test.asked >= test.answers:
        ending = (ShadowState.OVER, f"its {test.answers:,} answers are given")
    elif test.ends_at is not None and test.ends_at <= test.read_at:
        ending = (ShadowState.OVER, f"its {test.days} days are over")
    if ending is not None:
        state, reason = ending
        end_shadow(session, cycle, test, principal=principal, state=state, reason=reason, by=BY_CALENDAR)
    return test


def ask_about(session: Session, model: RegisteredModel, test: ShadowTest) -> int:
    """Put differences into the queue, spread over the test's time; returns how many were added."""
    found = allowance(session, test.client_id, Feature.LABELS)
    if found.suspension is not None or test.began_at is None:
        return 0
    gone = max((now() - test.began_at) / timedelta(days=test.days), test.asked / test.answers)
    wanted = min(test.labels, max(FIRST_LABELS, ceil(test.labels * gone))) - len(_items(session, test))
    if found.left is not None:
        wanted = min(wanted, found.left)
    return len(add_shadow_items(session, model=model, test=test, most=wanted))


def _compare(session: Session, test: ShadowTest, same: SameAnswer) -> None:
    query = (
        select(ShadowAnswer, Prediction.answer)
        .join(Prediction, col(Prediction.id) == ShadowAnswer.prediction_id)
        .where(ShadowAnswer.shadow_test_id == test.id, col(ShadowAnswer.same).is_(None), has_text())
    )
    for found, production in session.exec(query.where(col(ShadowAnswer.answer).is_not(None))):
        found.same = same(production, found.answer or "")
        session.add(found)
    session.flush()


def _found(session: Session, test: ShadowTest, judge: JudgeDifference) -> ShadowReading:
    counted = [
        (same, production, candidate)
        for same, production, candidate in session.exec(
            select(ShadowAnswer.same, Prediction.latency_ms, ShadowAnswer.latency_ms)
            .join(Prediction, col(Prediction.id) == ShadowAnswer.prediction_id)
            .where(ShadowAnswer.shadow_test_id == test.id, col(ShadowAnswer.same).is_not(None))
        )
    ]
    failed = session.exec(
        select(func.count(col(ShadowAnswer.id))).where(
            ShadowAnswer.shadow_test_id == test.id, col(ShadowAnswer.answer).is_(None)
        )
    ).one()
    labelled = [item for item in _items(session, test) if item.state is ReviewState.DONE]
    return figures(
        same=sum(bool(same) for same, _, _ in counted),
        compared=len(counted),
        failed=failed,
        latency=_latencies([(production, candidate) for _, production, candidate in counted]),
        judged=[judge(item) for item in labelled],
    )


def _latencies(both: Sequence[tuple[float, float]]) -> Latencies | None:
    if not both:
        return None
    middle = len(both) // 2
    return {
        "production": sorted(production for production, _ in both)[middle],
        "candidate": sorted(candidate for _, candidate in both)[middle],
    }


def _items(session: Session, test: ShadowTest) -> list[ReviewItem]:
    """What people were asked about, in the order in which they answered."""
    query = (
        select(ReviewItem)
        .join(ShadowAnswer, col(ShadowAnswer.prediction_id) == ReviewItem.prediction_id)
        .where(ShadowAnswer.shadow_test_id == test.id, ReviewItem.purpose == ReviewPurpose.SHADOW)
        .order_by(col(ReviewItem.closed_at), col(ReviewItem.id))
    )
    return list(session.exec(query))

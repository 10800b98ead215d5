"""The end of a shadow test: with its candidate's question, by an A/B test, by a person, at its date or budget.

Locks are taken in the order model, cycle, test, by everything that starts or ends one.
"""

from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.kit.clock import now
from tuneloop.kit.principal import Principal
from tuneloop.tables import RetrainingCycle, ReviewItem, ReviewPurpose, ReviewState, ShadowState, ShadowTest

SHADOW_LIVE = (ShadowState.STARTING, ShadowState.RUNNING)


def live_shadow(session: Session, model_id: UUID) -> ShadowTest | None:
    query = select(ShadowTest).where(ShadowTest.model_id == model_id, col(ShadowTest.state).in_(SHADOW_LIVE))
    return session.exec(query).one_or_none()


def end_live_shadow(session: Session, cycle: RetrainingCycle, *, principal: Principal, reason: str) -> None:
    """Of a locked cycle whose candidate's fate is known: people are asked about it no more."""
    query = select(ShadowTest).where(ShadowTest.cycle_id == cycle.id, col(ShadowTest.state).in_(SHADOW_LIVE))
    for test in session.exec(query.with_for_update().execution_options(populate_existing=True)):
        end_shadow(session, cycle, test, principal=principal, state=ShadowState.STOPPED, reason=reason)
    waiting = select(ReviewItem).where(
        ReviewItem.cycle_id == cycle.id,
        ReviewItem.purpose == ReviewPurpose.SHADOW,
        col(ReviewItem.state).in_([ReviewState.OPEN, ReviewState.DISPUTED]),
    )
    for item in session.exec(waiting.with_for_update()):
        item.state, item.closed_at, item.claimed_until, item.outcome = ReviewState.SKIPPED, now(), None, reason
        session.add(item)


def end_shadow(
    session: Session,
    cycle: RetrainingCycle,
    test: ShadowTest,
    *,
    principal: Principal,
    state: ShadowState,
    reason: str,
    by: str | None = None,
) -> None:
    """Of a locked cycle and its locked test that is live."""
    test.state, test.ended_at, test.ended_by, test.reason = state, now(), by or principal.name, reason
    cycle.updated_at = test.ended_at
    session.add_all([test, cycle])
    record(
        session,
        principal,
        f"shadow_test.{state}",
        "cycle",
        cycle.id,
        client_id=test.client_id,
        shadow_test=str(test.id),
        reason=reason,
    )

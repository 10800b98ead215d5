"""The end of an A/B test: by a deployment, a rejection, a person, its time, or proven harm. Traffic is production's.

Locks are taken in the order model, cycle, test, by everything that starts or ends one.
"""

from datetime import timedelta
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.clients.entitlements import release
from tuneloop.kit.clock import now
from tuneloop.kit.principal import Principal
from tuneloop.registry.service import policy_of
from tuneloop.tables import (
    AbState,
    AbTest,
    Approval,
    ApprovalKind,
    CycleState,
    Feature,
    RegisteredModel,
    RetrainingCycle,
)

LIVE = (AbState.STARTING, AbState.RUNNING)


def subject_of(test: AbTest) -> str:
    """What its unit of the client's plan is taken for."""
    return f"ab_test:{test.id}"


def live_test(session: Session, model_id: UUID) -> AbTest | None:
    query = select(AbTest).where(AbTest.model_id == model_id, col(AbTest.state).in_(LIVE))
    return session.exec(query).one_or_none()


def end_live_test(
    session: Session, *, model_id: UUID, principal: Principal, state: AbState, reason: str, by: str | None = None
) -> AbTest | None:
    """End the test of a model that runs or is about to; None when there is none (any more)."""
    found = live_test(session, model_id)
    if found is None:
        return None
    cycle = session.exec(
        select(RetrainingCycle).where(RetrainingCycle.id == found.cycle_id).with_for_update(key_share=True)
    ).one()
    query = select(AbTest).where(AbTest.id == found.id).with_for_update()
    test = session.exec(query.execution_options(populate_existing=True)).one()
    if test.state not in LIVE:
        return None
    end(session, cycle, test, principal=principal, state=state, reason=reason, by=by)
    return test


def end(
    session: Session,
    cycle: RetrainingCycle,
    test: AbTest,
    *,
    principal: Principal,
    state: AbState,
    reason: str,
    by: str | None = None,
) -> None:
    """Of a locked cycle and its locked test that is live."""
    if test.began_at is None:
        release(session, client_id=test.client_id, feature=Feature.AB_TEST, subject=subject_of(test))
    test.state, test.ended_at, test.ended_by, test.reason = state, now(), by or principal.name, reason
    cycle.updated_at = test.ended_at
    session.add_all([test, cycle])
    if cycle.state is CycleState.AWAITING_PROMOTION:
        give_time(session, cycle)
    record(
        session,
        principal,
        f"ab_test.{state}",
        "cycle",
        cycle.id,
        client_id=test.client_id,
        ab_test=str(test.id),
        reason=reason,
    )


def give_time(session: Session, cycle: RetrainingCycle, *, beyond: timedelta = timedelta()) -> None:
    """Let the question about promotion last its full time from now on, and `beyond`: people wait for the test."""
    model = session.get_one(RegisteredModel, cycle.model_id)
    question = session.exec(
        select(Approval).where(
            Approval.cycle_id == cycle.id,
            Approval.kind == ApprovalKind.PROMOTION,
            col(Approval.decision).is_(None),
        )
    ).one_or_none()
    if question is not None:
        question.requested_at = now()
        question.expires_at = question.requested_at + timedelta(hours=policy_of(model).approval_hours) + beyond
        question.reminded_at = question.escalated_at = None
        session.add(question)

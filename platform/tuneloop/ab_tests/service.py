"""A/B tests: a share of the people whom production answers get a compared candidate's answers instead.

The name of a model stays the same; who gets which arm is decided by a hash of the person, so nobody sees both.
"""

from datetime import timedelta
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.ab_tests.jobs import BeginAbTest
from tuneloop.ab_tests.schemas import (
    DAYS,
    FEWEST_LABELS,
    LABELS,
    LEAST_SHARE,
    MOST_DAYS,
    MOST_LABELS,
    MOST_SHARE,
    SHARE,
)
from tuneloop.audit.service import record
from tuneloop.clients.entitlements import require as require_included
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, InvalidInput
from tuneloop.kit.jobs import enqueue_once
from tuneloop.kit.principal import Principal
from tuneloop.registry.service import aliases, lock_model
from tuneloop.retraining.approvals import latest_question
from tuneloop.retraining.attempts import comparison_of
from tuneloop.retraining.live_shadow import end_shadow, live_shadow
from tuneloop.retraining.live_test import LIVE, end, give_time, live_test, subject_of
from tuneloop.retraining.service import find_cycle, lock_cycle, lock_test, refuse_outdated
from tuneloop.stats.outcome import Outcome
from tuneloop.tables import (
    AbState,
    AbTest,
    Alias,
    Approval,
    ApprovalKind,
    Comparison,
    CycleState,
    Feature,
    RegisteredModel,
    RetrainingCycle,
    Role,
    ShadowState,
)


def start(
    session: Session,
    *,
    principal: Principal,
    cycle_id: UUID,
    digest: str,
    share: float = SHARE,
    days: int = DAYS,
    labels: int = LABELS,
) -> AbTest:
    """Have the candidate with this digest answer a share of the people, as soon as the serving host has loaded it.

    Raises:
        InvalidInput: share, days or labels out of range, or a first version, which there is nothing to compare with.
        Conflict: the candidate isn't what people are asked about (any more), the gate has found harm, production has
            changed since the comparison, or a test of the model runs.
        NotIncluded, Suspended: the client's plan has no A/B test left, or its subscription is suspended.
    """
    principal.require(Role.OPERATOR)
    _check(share, days, labels)
    found = find_cycle(session, cycle_id)
    model = session.get_one(RegisteredModel, found.model_id)
    lock_model(session, model)
    cycle = lock_cycle(session, cycle_id)
    verdict = comparison_of(session, cycle_id)
    _refuse_decided(session, cycle, digest)
    production = aliases(session, model.id).get(Alias.PRODUCTION)
    if verdict is None or production is None or cycle.candidate_version_id is None:
        raise InvalidInput("this is the model's first version: there is no production to test it against; promote it")
    refuse_outdated(session, cycle, verdict)
    _refuse_harm(verdict)
    if (running := live_test(session, model.id)) is not None:
        raise Conflict(
            f"an A/B test of this model is {running.state}, started by {running.started_by} at "
            f"{running.created_at:%Y-%m-%d %H:%M:%S} UTC; stop it first",
            ab_test=str(running.id),
        )
    if (shadow := live_shadow(session, model.id)) is not None:
        why = "an A/B test of the candidate began"
        end_shadow(session, cycle, shadow, principal=principal, state=ShadowState.STOPPED, reason=why)
    test = AbTest(
        client_id=cycle.client_id,
        model_id=model.id,
        cycle_id=cycle.id,
        production_version_id=production.id,
        candidate_version_id=cycle.candidate_version_id,
        share=share,
        days=days,
        labels=labels,
        started_by=principal.name,
        started_from=principal.origin,
    )
    session.add(test)
    session.flush()
    require_included(session, client_id=cycle.client_id, feature=Feature.AB_TEST, subject=subject_of(test))
    give_time(session, cycle, beyond=timedelta(days=days))
    cycle.updated_at = now()
    session.add(cycle)
    enqueue_once(session, BeginAbTest(ab_test_id=test.id), test.id, owner=test)
    record(
        session,
        principal,
        "ab_test.start",
        "cycle",
        cycle.id,
        client_id=cycle.client_id,
        ab_test=str(test.id),
        digest=digest,
        share=share,
        days=days,
        labels=labels,
    )
    return test


def begin(session: Session, *, principal: Principal, test_id: UUID) -> None:
    """Split the traffic from now on. Harmless when the test has ended, or has begun already."""
    cycle, test = lock_ab_test(session, test_id)
    if test.state is not AbState.STARTING:
        return
    test.state, test.began_at = AbState.RUNNING, now()
    test.ends_at = test.began_at + timedelta(days=test.days)
    cycle.updated_at = test.began_at
    session.add_all([test, cycle])
    record(session, principal, "ab_test.running", "cycle", cycle.id, client_id=test.client_id, ab_test=str(test.id))


def stop(session: Session, *, principal: Principal, test_id: UUID, reason: str | None = None) -> AbTest:
    """Give all traffic back to production. Nothing is decided about the candidate by that.

    Raises:
        Conflict: it has ended already; says by whom and when.
    """
    principal.require(Role.OPERATOR)
    cycle, test = lock_ab_test(session, test_id)
    if test.state not in LIVE:
        raise Conflict(
            f"already {test.state} by {test.ended_by} at {test.ended_at:%Y-%m-%d %H:%M:%S} UTC", state=test.state
        )
    end(
        session,
        cycle,
        test,
        principal=principal,
        state=AbState.STOPPED,
        reason=(reason or "").strip() or f"stopped by {principal.name}",
    )
    return test


def give_up(session: Session, *, principal: Principal, test_id: UUID, reason: str) -> None:
    """End a test that could not begin; its unit of the plan is given back."""
    cycle, test = lock_ab_test(session, test_id)
    if test.state is AbState.STARTING:
        end(session, cycle, test, principal=principal, state=AbState.STOPPED, reason=reason)


def lock_ab_test(session: Session, test_id: UUID) -> tuple[RetrainingCycle, AbTest]:
    return lock_test(session, AbTest, test_id, kind="A/B test")


def tests_of(session: Session, cycle_id: UUID) -> list[AbTest]:
    """Newest first."""
    query = select(AbTest).where(AbTest.cycle_id == cycle_id)
    return list(session.exec(query.order_by(col(AbTest.created_at).desc())))


def may_start(session: Session, cycle: RetrainingCycle) -> bool:
    """Whether a test of the cycle's candidate could be started now, if the client's plan has one."""
    verdict, question = comparison_of(session, cycle.id), _question(session, cycle.id)
    if verdict is None or verdict.outcome == Outcome.REJECT or question is None:
        return False
    waits = question.decision is None and question.expires_at > now()
    return waits and cycle.state is CycleState.AWAITING_PROMOTION and live_test(session, cycle.model_id) is None


def _check(share: float, days: int, labels: int) -> None:
    if not LEAST_SHARE <= share <= MOST_SHARE:
        raise InvalidInput(f"a candidate gets {LEAST_SHARE:.0%} to {MOST_SHARE:.0%} of the people, not {share:.0%}")
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInput(f"a test runs for 1 to {MOST_DAYS} days, not {days}")
    if not FEWEST_LABELS <= labels <= MOST_LABELS:
        raise InvalidInput(f"a test wants {FEWEST_LABELS} to {MOST_LABELS} labels an arm, not {labels}")


def _question(session: Session, cycle_id: UUID) -> Approval | None:
    return latest_question(session, cycle_id, ApprovalKind.PROMOTION)


def _refuse_decided(session: Session, cycle: RetrainingCycle, digest: str) -> None:
    question = _question(session, cycle.id)
    if question is None or cycle.state is not CycleState.AWAITING_PROMOTION:
        raise Conflict(
            f"the cycle is {cycle.state}; a candidate is tested while it waits for promotion", state=cycle.state
        )
    if question.decision is not None:
        raise Conflict(
            f"already {question.decision} by {question.decided_by} at {question.decided_at:%Y-%m-%d %H:%M:%S} UTC",
            decision=question.decision,
        )
    if question.expires_at <= now():
        raise Conflict("the question about this candidate has expired; reject it and propose the cycle again")
    if question.subject_digest != digest:
        raise Conflict(
            "this is another version than the candidate; look at the cycle again",
            candidate=question.subject_digest,
            named=digest,
        )


def _refuse_harm(verdict: Comparison) -> None:
    if verdict.outcome == Outcome.REJECT:
        raise Conflict(
            "the gate has found that this candidate does harm; it isn't tested on people. Reject it, or let an admin "
            "override the gate with a reason",
            outcome=verdict.outcome,
        )

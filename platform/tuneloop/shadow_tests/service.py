"""Shadow tests: a candidate that waits for promotion answers some of production's questions too, seen by nobody.

It is asked after production has answered, beside the traffic and never before it. What it says is compared, and people
say who is right in some of the differences.
"""

from datetime import timedelta
from uuid import UUID

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict, InvalidInput
from tuneloop.kit.jobs import enqueue_once
from tuneloop.kit.principal import Principal
from tuneloop.registry.service import aliases, lock_model
from tuneloop.retraining.live_shadow import SHADOW_LIVE, end_shadow, live_shadow
from tuneloop.retraining.live_test import give_time, live_test
from tuneloop.retraining.service import find_cycle, lock_cycle, lock_test
from tuneloop.shadow_tests.jobs import BeginShadowTest
from tuneloop.shadow_tests.schemas import (
    ANSWERS,
    DAYS,
    LABELS,
    LEAST_SHARE,
    MOST_ANSWERS,
    MOST_DAYS,
    MOST_LABELS,
    MOST_SHARE,
    SHARE,
)
from tuneloop.tables import (
    AdapterVersion,
    Alias,
    CycleState,
    RegisteredModel,
    RetrainingCycle,
    Role,
    ShadowState,
    ShadowTest,
)


def start(
    session: Session,
    *,
    principal: Principal,
    cycle_id: UUID,
    digest: str,
    share: float = SHARE,
    answers: int = ANSWERS,
    days: int = DAYS,
    labels: int = LABELS,
) -> ShadowTest:
    """Have the candidate with this digest answer a share of the questions too, once the serving host has loaded it.

    Raises:
        InvalidInput: share, answers, days or labels out of range, or there is no production to compare with.
        Conflict: the candidate isn't what waits for promotion, production has changed since it was made, or another
            test of the model runs.
    """
    principal.require(Role.OPERATOR)
    _check(share, answers, days, labels)
    found = find_cycle(session, cycle_id)
    model = session.get_one(RegisteredModel, found.model_id)
    lock_model(session, model)
    cycle = lock_cycle(session, cycle_id)
    candidate = _candidate(session, cycle, digest)
    production = aliases(session, model.id).get(Alias.PRODUCTION)
    if production is None:
        raise InvalidInput("this is the model's first version: nothing answers that it could be compared with")
    if production.id != cycle.parent_version_id:
        raise Conflict(
            f"production is v{production.number} by now, and this candidate was compared with another; propose a "
            "retrain again",
            production=production.digest,
        )
    if live_test(session, model.id) is not None:
        raise Conflict("an A/B test of this model runs, in which the candidate answers people; stop it first")
    if (running := live_shadow(session, model.id)) is not None:
        raise Conflict(f"a shadow test of this model is {running.state}; stop it first", shadow_test=str(running.id))
    test = ShadowTest(
        client_id=cycle.client_id,
        model_id=model.id,
        cycle_id=cycle.id,
        production_version_id=production.id,
        candidate_version_id=candidate.id,
        share=share,
        answers=answers,
        days=days,
        labels=labels,
        started_by=principal.name,
        started_from=principal.origin,
    )
    session.add(test)
    session.flush()
    give_time(session, cycle, beyond=timedelta(days=days))
    cycle.updated_at = now()
    session.add(cycle)
    enqueue_once(session, BeginShadowTest(shadow_test_id=test.id), test.id, owner=test)
    record(
        session,
        principal,
        "shadow_test.start",
        "cycle",
        cycle.id,
        client_id=cycle.client_id,
        shadow_test=str(test.id),
        digest=digest,
        share=share,
        answers=answers,
        days=days,
        labels=labels,
    )
    return test


def begin(session: Session, *, principal: Principal, test_id: UUID) -> None:
    """Put questions to it from now on. Harmless when the test has ended, or has begun already."""
    cycle, test = lock_shadow(session, test_id)
    if test.state is not ShadowState.STARTING:
        return
    test.state, test.began_at = ShadowState.RUNNING, now()
    test.ends_at = test.began_at + timedelta(days=test.days)
    cycle.updated_at = test.began_at
    session.add_all([test, cycle])
    record(
        session,
        principal,
        "shadow_test.running",
        "cycle",
        cycle.id,
        client_id=test.client_id,
        shadow_test=str(test.id),
    )


def stop(session: Session, *, principal: Principal, test_id: UUID, reason: str | None = None) -> ShadowTest:
    """Put no more questions to it; what was answered so far is still read. Nothing is decided about the candidate.

    Raises:
        Conflict: it has ended already; says by whom and when.
    """
    principal.require(Role.OPERATOR)
    cycle, test = lock_shadow(session, test_id)
    if test.state not in SHADOW_LIVE:
        raise Conflict(
            f"already {test.state} by {test.ended_by} at {test.ended_at:%Y-%m-%d %H:%M:%S} UTC", state=test.state
        )
    reason = (reason or "").strip() or f"stopped by {principal.name}"
    end_shadow(session, cycle, test, principal=principal, state=ShadowState.STOPPED, reason=reason)
    return test


def give_up(session: Session, *, principal: Principal, test_id: UUID, reason: str) -> None:
    """End a test that could not begin."""
    cycle, test = lock_shadow(session, test_id)
    if test.state is ShadowState.STARTING:
        end_shadow(session, cycle, test, principal=principal, state=ShadowState.STOPPED, reason=reason)


def lock_shadow(session: Session, test_id: UUID) -> tuple[RetrainingCycle, ShadowTest]:
    return lock_test(session, ShadowTest, test_id, kind="shadow test")


def shadows_of(session: Session, cycle_id: UUID) -> list[ShadowTest]:
    """Newest first."""
    query = select(ShadowTest).where(ShadowTest.cycle_id == cycle_id)
    return list(session.exec(query.order_by(col(ShadowTest.created_at).desc())))


def may_start(session: Session, cycle: RetrainingCycle) -> bool:
    """Whether a shadow test of the cycle's candidate could be started now."""
    if cycle.state is not CycleState.AWAITING_PROMOTION or cycle.candidate_version_id is None:
        return False
    production = aliases(session, cycle.model_id).get(Alias.PRODUCTION)
    if production is None or production.id != cycle.parent_version_id:
        return False
    return live_test(session, cycle.model_id) is None and live_shadow(session, cycle.model_id) is None


def _candidate(session: Session, cycle: RetrainingCycle, digest: str) -> AdapterVersion:
    if cycle.state is not CycleState.AWAITING_PROMOTION or cycle.candidate_version_id is None:
        raise Conflict(
            f"the cycle is {cycle.state}; a candidate is tested while it waits for promotion", state=cycle.state
        )
    candidate = session.get_one(AdapterVersion, cycle.candidate_version_id)
    if candidate.digest != digest:
        raise Conflict(
            "this is another version than the candidate; look at the cycle again",
            candidate=candidate.digest,
            named=digest,
        )
    return candidate


def _check(share: float, answers: int, days: int, labels: int) -> None:
    if not LEAST_SHARE <= share <= MOST_SHARE:
        raise InvalidInput(f"a candidate gets {LEAST_SHARE:.0%} to {MOST_SHARE:.0%} of the questions, not {share:.0%}")
    if not 1 <= answers <= MOST_ANSWERS:
        raise InvalidInput(f"a shadow test takes 1 to {MOST_ANSWERS:,} answers, not {answers:,}")
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInput(f"a shadow test runs for 1 to {MOST_DAYS} days, not {days}")
    if not 0 <= labels <= MOST_LABELS:
        raise InvalidInput(f"a shadow test asks for 0 to {MOST_LABELS} labels, not {labels}")

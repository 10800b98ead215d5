"""The state machine: every pair of states is either a step that is audited, or refused."""

import pytest
from sqlmodel import select

from tests.support.cycles import Workshop
from tuneloop.kit.errors import Conflict
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.retraining.states import ENDED, FOLLOWS, advance
from tuneloop.tables import AuditEvent, RetrainingCycle
from tuneloop.tables import CycleState as S

STEPS = {
    (S.PROPOSED, S.APPROVED),
    (S.PROPOSED, S.REJECTED),
    (S.APPROVED, S.TRAINING),
    (S.APPROVED, S.FAILED),
    (S.TRAINING, S.EVALUATING),
    (S.TRAINING, S.FAILED),
    (S.EVALUATING, S.COMPARED),
    (S.EVALUATING, S.FAILED),
    (S.COMPARED, S.AWAITING_PROMOTION),
    (S.COMPARED, S.TRAINING),
    (S.COMPARED, S.REJECTED),
    (S.COMPARED, S.FAILED),
    (S.AWAITING_PROMOTION, S.DEPLOYED),
    (S.AWAITING_PROMOTION, S.TRAINING),
    (S.AWAITING_PROMOTION, S.REJECTED),
    (S.AWAITING_PROMOTION, S.FAILED),
    (S.DEPLOYED, S.ROLLED_BACK),
    (S.ROLLED_BACK, S.DEPLOYED),
}


@pytest.mark.parametrize("before", S)
def test_a_step_is_audited_and_anything_else_refused(
    session: TenantSession, workshop: Workshop, operator: Principal, before: S
) -> None:
    cycle = workshop.cycle(session, before)
    for after in S:
        cycle.state = before
        if (before, after) in STEPS:
            advance(session, cycle, after, principal=operator, why="test")
            assert cycle.state is after
        else:
            with pytest.raises(Conflict, match=f"is {before}; it can't become {after}"):
                advance(session, cycle, after, principal=operator)
            assert cycle.state is before
    cycle.state = before
    events = session.exec(select(AuditEvent).where(AuditEvent.subject_id == str(cycle.id))).all()
    assert {(event.detail["before"], event.action) for event in events} == {
        (str(a), f"cycle.{b}") for a, b in STEPS if a is before
    }


def test_the_machine_has_no_other_steps() -> None:
    assert {(before, after) for before, afters in FOLLOWS.items() for after in afters} == STEPS
    assert set(FOLLOWS) == set(S)


def test_every_state_reaches_an_end() -> None:
    for start in S:
        reached, pending = set[S](), {start}
        while pending:
            state = pending.pop()
            reached.add(state)
            pending |= FOLLOWS[state] - reached
        assert reached & ENDED


@pytest.mark.parametrize("state", [state for state in S if state not in ENDED])
def test_a_model_has_one_live_cycle(session: TenantSession, workshop: Workshop, state: S) -> None:
    workshop.cycle(session, state)
    with pytest.raises(Exception, match="uq_retraining_cycle_live"):
        workshop.cycle(session)


def test_ended_cycles_do_not_count(session: TenantSession, workshop: Workshop) -> None:
    for state in ENDED:
        workshop.cycle(session, state)
    workshop.cycle(session)
    assert len(session.exec(select(RetrainingCycle)).all()) == len(ENDED) + 1

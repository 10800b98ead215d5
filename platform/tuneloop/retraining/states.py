"""The cycle's state machine: which step may follow which, and the audit entry of every step."""

from typing import Any

from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.kit.clock import now
from tuneloop.kit.errors import Conflict
from tuneloop.kit.principal import Principal
from tuneloop.retraining.live_shadow import end_live_shadow
from tuneloop.retraining.live_test import end_live_test
from tuneloop.retraining.release_gate_labels import learn_soon
from tuneloop.tables import AbState, RetrainingCycle, ReviewItem, ReviewPurpose, ReviewState
from tuneloop.tables import CycleState as S

FOLLOWS: dict[S, frozenset[S]] = {
    S.PROPOSED: frozenset({S.APPROVED, S.REJECTED}),
    S.APPROVED: frozenset({S.TRAINING, S.FAILED}),
    S.TRAINING: frozenset({S.EVALUATING, S.FAILED}),
    S.EVALUATING: frozenset({S.COMPARED, S.FAILED}),
    S.COMPARED: frozenset({S.AWAITING_PROMOTION, S.TRAINING, S.REJECTED, S.FAILED}),
    S.AWAITING_PROMOTION: frozenset({S.DEPLOYED, S.TRAINING, S.REJECTED, S.FAILED}),
    S.DEPLOYED: frozenset({S.ROLLED_BACK}),
    S.ROLLED_BACK: frozenset({S.DEPLOYED}),
    S.REJECTED: frozenset(),
    S.FAILED: frozenset(),
}
_FATE = {S.TRAINING: "given up for another one"}
ENDED = frozenset({S.DEPLOYED, S.REJECTED, S.FAILED, S.ROLLED_BACK})


def advance(session: Session, cycle: RetrainingCycle, state: S, *, principal: Principal, **detail: Any) -> None:
    """Move a locked cycle to its next state.

    Raises:
        Conflict: the state machine has no such step.
    """
    before = cycle.state
    if state not in FOLLOWS[before]:
        raise Conflict(f"the cycle is {before}; it can't become {state}", cycle=str(cycle.id), state=before)
    cycle.state, cycle.updated_at = state, now()
    session.add(cycle)
    if state in ENDED:
        close_gate_items(session, cycle, why=f"the cycle is {state}")
        learn_soon(session, cycle)
    if before is S.AWAITING_PROMOTION:
        end_live_shadow(session, cycle, principal=principal, reason=f"the candidate is {_FATE.get(state, state)}")
    if state in (S.REJECTED, S.FAILED):
        why = f"the candidate was {state}" if state is S.REJECTED else "the cycle failed"
        end_live_test(session, model_id=cycle.model_id, principal=principal, state=AbState.KEPT, reason=why)
    record(
        session,
        principal,
        f"cycle.{state}",
        "cycle",
        cycle.id,
        client_id=cycle.client_id,
        before=before,
        **detail,
    )


def close_gate_items(session: Session, cycle: RetrainingCycle, *, why: str) -> None:
    """Nobody is asked about a candidate whose fate is known."""
    waiting = select(ReviewItem).where(
        ReviewItem.cycle_id == cycle.id,
        ReviewItem.purpose == ReviewPurpose.GATE,
        col(ReviewItem.state).in_([ReviewState.OPEN, ReviewState.DISPUTED]),
    )
    for item in session.exec(waiting.with_for_update()):
        item.state, item.closed_at, item.claimed_until, item.outcome = ReviewState.SKIPPED, now(), None, why
        session.add(item)
    session.flush()
